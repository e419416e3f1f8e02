#include "runner/container/create.h"

#include "runner/container/engine.h"
#include "util/json_writer.h"

static void add_texts(struct json_writer *json, const char *name, char *const *texts)
{
    json_open_array(json, name);
    for (; *texts; texts++)
        json_add_text(json, NULL, *texts);
    json_close(json);
}

static void add_text_array(struct json_writer *json, const char *name, const char *text)
{
    json_open_array(json, name);
    json_add_text(json, NULL, text);
    json_close(json);
}

static void add_labels(struct json_writer *json, const struct container_options *options)
{
    char epoch[24];
    snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)options->epoch);
    json_open_object(json, "Labels");
    json_add_text(json, CONTAINER_LABEL, options->execution_id);
    json_add_text(json, CONTAINER_EPOCH, epoch);
    json_add_text(json, CONTAINER_FOLDER, options->folder);
    if (options->worker)
        json_add_text(json, CONTAINER_WORKER, options->worker);
    json_close(json);
}

static void add_mounts(struct json_writer *json, const struct container_options *options)
{
    json_open_array(json, "Mounts");
    for (size_t i = 0; i < options->mount_count; i++) {
        const struct container_mount *mount = &options->mounts[i];
        json_open_object(json, NULL);
        json_add_text(json, "Type", "bind");
        json_add_text(json, "Source", mount->from);
        json_add_text(json, "Target", mount->to);
        json_add_bool(json, "ReadOnly", mount->read_only);
        json_close(json);
    }
    json_close(json);
}

// No privileges, and nothing of the machine but the mounts. What it says is not kept by the engine as well.
static void add_host(struct json_writer *json, const struct container_options *options)
{
    json_open_object(json, "HostConfig");
    add_mounts(json, options);
    add_text_array(json, "CapDrop", "ALL");
    add_text_array(json, "SecurityOpt", "no-new-privileges");
    json_add_bool(json, "Privileged", false);
    json_add_u64(json, "PidsLimit", options->processes_max ? options->processes_max : CONTAINER_PROCESSES);
    if (options->memory_max > 0) {
        json_add_u64(json, "Memory", options->memory_max);
        json_add_u64(json, "MemorySwap", options->memory_max); // both together: no swap
    }
    if (options->cpus_milli > 0)
        json_add_u64(json, "NanoCpus", (uint64_t)options->cpus_milli * 1000000);
    json_open_object(json, "LogConfig");
    json_add_text(json, "Type", "none");
    json_close(json);
    json_close(json);
}

static void add_command(struct json_writer *json, const struct container_options *options)
{
    if (options->command[0])
        add_texts(json, options->replaces_entry ? "Entrypoint" : "Cmd", options->command);
    if (options->command[0] && options->replaces_entry)
        json_open_array(json, "Cmd"), json_close(json);
}

void container_describe(const struct container_options *options, struct buf *out)
{
    bool input = options->input_fd >= 0;
    struct json_writer json = json_writer_to(out);
    json_open_object(&json, NULL);
    json_add_text(&json, "Image", options->image);
    add_command(&json, options);
    add_texts(&json, "Env", options->env);
    json_add_text(&json, "WorkingDir", options->cwd);
    json_add_text(&json, "User", options->user);
    json_add_bool(&json, "Tty", false);
    json_add_bool(&json, "AttachStdout", true);
    json_add_bool(&json, "AttachStderr", true);
    json_add_bool(&json, "AttachStdin", input);
    json_add_bool(&json, "OpenStdin", input);
    json_add_bool(&json, "StdinOnce", input);
    add_labels(&json, options);
    add_host(&json, options);
    json_close(&json);
    json_writer_end(&json);
}

// The tag is behind a colon of the last part: "host:5000/name:tag". Behind "@" is a digest. Without either, engines
// would pull all tags.
void container_pull_target(const char *image, struct buf *out)
{
    const char *slash = strrchr(image, '/'), *last = slash ? slash + 1 : image;
    const char *at = strchr(last, '@'), *mark = at ? at : strchr(last, ':');
    size_t name_len = mark ? (size_t)(mark - image) : strlen(image);
    buf_append_text(out, "/images/create?fromImage=");
    engine_append_escaped(out, str_n(image, name_len));
    buf_append_text(out, "&tag=");
    engine_append_escaped(out, str_of(mark ? mark + 1 : "latest"));
}
