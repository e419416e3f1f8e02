#include "server/artifacts.h"

#include "blob/dir/dir.h"
#include "blob/s3/s3.h"
#include "client/aws_credentials.h"

static const char *variable_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static int open_dir(const struct config *config, const struct logger *logger, struct blob_store **ret,
                    struct buf *ret_error)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/blobs", config->data);
    int err = blob_dir_open(&(struct blob_dir_options){.folder = path, .logger = logger}, ret);
    if (err == 0)
        return 0;
    buf_printf(ret_error, "%s: %s", path, error_text(err));
    return err < ERR_END_ && err > ERR_FIRST_ ? err : ERR_IO;
}

static bool path_style(const struct config *config)
{
    return strcmp(config->s3_style, "path") == 0 || (strcmp(config->s3_style, "auto") == 0 && config->s3_endpoint[0]);
}

// Also looks at the credentials, so that a mistake shows at the start.
static int s3_options(const struct config *config, const char *url, const struct logger *logger,
                      struct metrics *metrics, struct blob_s3_options *ret, struct buf *ret_error)
{
    CLEANUP(aws_credentials_release) struct aws_credentials credentials = {0};
    const char *region = config->s3_region;
    *ret = (struct blob_s3_options){
        .url = url,
        .endpoint = config->s3_endpoint,
        .region = region[0] ? region : variable_or("AWS_REGION", variable_or("AWS_DEFAULT_REGION", "us-east-1")),
        .path_style = path_style(config),
        .ca_file = config->s3_ca,
        .credentials_file = config->s3_credentials,
        .profile = variable_or("AWS_PROFILE", ""),
        .connections = (unsigned)config->s3_connections,
        .timeout_ms = (uint64_t)config->s3_timeout_seconds * 1000,
        .memory_max = (uint64_t)config->s3_memory_max,
        .logger = logger,
        .metrics = metrics,
    };
    return aws_credentials_read(ret->credentials_file, ret->profile, &credentials, ret_error);
}

static int open_s3(const struct config *config, const struct logger *logger, struct metrics *metrics,
                   struct blob_store **ret, struct buf *ret_error)
{
    struct blob_s3_options options;
    int err = s3_options(config, config->artifacts, logger, metrics, &options, ret_error);
    return err ? err : blob_s3_open(&options, ret, ret_error);
}

int artifacts_open_objects(const struct config *config, const struct logger *logger, struct metrics *metrics,
                           struct object_store **ret, struct buf *ret_error)
{
    struct blob_s3_options options;
    int err = s3_options(config, config->cold, logger, metrics, &options, ret_error);
    options.connections = (unsigned)config->cold_connections + 1; // and one that moves
    return err ? err : object_s3_open(&options, ret, ret_error);
}

int artifacts_open(const struct config *config, const struct logger *logger, struct metrics *metrics,
                   struct blob_store **ret, struct buf *ret_error)
{
    if (strcmp(config->artifacts, "dir") == 0)
        return open_dir(config, logger, ret, ret_error);
    return open_s3(config, logger, metrics, ret, ret_error);
}
