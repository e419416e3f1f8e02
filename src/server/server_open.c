// What a server opens before it listens. Each says what is wrong, and what to do, and returns the error.
#include "server/artifacts.h"
#include "server/fail.h"
#include "server/resources.h"
#include "server/server_private.h"
#include "server/storage.h"
#include "util/file.h"

#include <unistd.h>

int server_check(struct server *server)
{
    const struct config *config = server->config;
    bool cert = config->tls_cert[0], key = config->tls_key[0];

    if (cert != key)
        return server_fail(ERR_INVALID, "tls_cert and tls_key go together",
                           cert ? "tls_key is missing" : "tls_cert is missing");
    CLEANUP(buf_release) struct buf error = {0};
    int err = listening_check(config, &error);
    if (err == 0)
        err = resources_check(config, &error);
    if (err == 0)
        err = storage_check(config, &error);
    if (err == 0)
        err = front_take(config, &server->front, &error);
    if (err)
        return server_fail(err, buf_cstr(&error), NULL);
    err = dir_make_all(config->data, 0700);
    if (err < 0)
        return server_fail_path("the data folder cannot be made", config->data, err);
    server->backup_dir = storage_backups(config);
    return server->backup_dir ? 0 : server_fail(ERR_IO, "the working folder cannot be found", config->backup_dir);
}

int server_open_store(struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    server->budget = budget_new(resources_memory_max(server->config));
    int err = storage_open(server->config, &server->logger, server->budget, &error, &server->store);
    return err ? server_fail(err, "the store cannot be opened", buf_cstr(&error)) : 0;
}

// The file of the start; it may have a new key.
static char *server_keyring_path(const struct config *config)
{
    return config->secrets_key[0] ? xstrdup(config->secrets_key) : xasprintf("%s/secrets.key", config->data);
}

// The file is made at the first start, if the setting names none of its own.
int server_open_keyring(struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    const struct config *config = server->config;
    CLEANUP(free_ptr) char *path = server_keyring_path(config);
    if (!config->secrets_key[0] && access(path, F_OK) < 0) {
        int err = keyring_make(path);
        if (err < 0)
            return server_fail_path("the key for secrets cannot be made", path, err);
    }
    int err = keyring_load(path, &error, &server->keyring);
    if (err && access(path, F_OK) < 0)
        buf_append_text(&error,
                        "; make it by `openssl rand -hex 32`, mode 0600, the same one for all servers of a store");
    return err ? server_fail(err, "the keys for secrets (secrets_key) cannot be used", buf_cstr(&error)) : 0;
}

// What several servers of a store must share and this one keeps in its data folder. One server alone may.
void server_tell_own(const struct server *server)
{
    const struct config *config = server->config;
    bool files = strcmp(config->artifacts, "dir") == 0, key = !config->secrets_key[0];
    if (config->store[0] && (files || key))
        log_info(&server->logger, "for more servers on this database these settings must name what all of them share",
                 LOG_S("settings", files && key ? "artifacts, secrets_key"
                                   : files      ? "artifacts"
                                                : "secrets_key"));
}

int server_reload_keyring(struct server *server, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *path = server_keyring_path(server->config);
    return keyring_reload(server->keyring, path, ret_error);
}

int server_open_blobs(struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    int err = artifacts_open(server->config, &server->logger, server->metrics, &server->blobs, &error);
    return err ? server_fail(err, "files cannot be kept (artifacts)", buf_cstr(&error)) : 0;
}

int server_open_tls(struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    const struct config *config = server->config;
    if (!config->tls_cert[0])
        return 0;
    int err = tls_server_new(config->tls_cert, config->tls_key, &error, &server->tls);
    return err ? server_fail(err, "TLS cannot be set up", buf_cstr(&error)) : 0;
}

int server_open_issuers(struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    const struct issuers_options options = {.loop = server->loop, .auth = server->auth, .logger = &server->logger};
    server->issuers = issuers_new(&options);
    int err = issuers_load(server->issuers, server->config->jwt_issuers, &error);
    return err ? server_fail(err, "the issuers of tokens (jwt_issuers) cannot be used", buf_cstr(&error)) : 0;
}

int server_check_loki(const struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    int err = loki_settings_check(server->config, &error);
    return err ? server_fail(err, "Loki (loki_url) cannot be used", buf_cstr(&error)) : 0;
}

int server_open_cloudwatch(struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    int err = cloudwatch_logs_new(server->config, &server->cloudwatch, &error);
    return err ? server_fail(err, "CloudWatch Logs (cloudwatch_log_group) cannot be used", buf_cstr(&error)) : 0;
}

int server_find_cloudwatch_account(struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    int err = cloudwatch_logs_open(server->cloudwatch, server->store, server->loop, &error);
    return err ? server_fail(err, "cloudwatch_account", buf_cstr(&error)) : 0;
}

int server_open_cold(struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    const struct cold_given given = {server->store,   server_node,    server, budget_max(server->budget),
                                     server->metrics, &server->logger};
    int err = cold_open(server->config, &given, &server->cold, &error);
    return err ? server_fail(err, "old logs cannot be kept elsewhere (cold)", buf_cstr(&error)) : 0;
}
