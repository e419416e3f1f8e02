// Makes the reference pages from tables of the program: docs/configuration.md, docs/issuers.md, docs/metrics.md,
// docs/routes.md.
#include "api/api.h"
#include "api/routes.h"
#include "auth/issuer.h"
#include "metrics/metrics.h"
#include "server/server.h"

#define MADE "<!-- made by `runnel help --document %s` -->\n\n"

static void configuration_values(struct buf *out, const struct config_setting *setting)
{
    switch (setting->kind) {
    case 'N':
        buf_printf(out, "%lld to %lld", (long long)setting->least, (long long)setting->most);
        break;
    case 'B':
        buf_append_text(out, "yes, no");
        break;
    case 'L':
        buf_append_text(out, "list");
        break;
    default:
        buf_append_text(out, config_choices(setting) ? config_choices(setting) : "text");
    }
}

static void configuration_document(struct buf *out)
{
    buf_printf(
        out,
        "# Configuration of the server\n\n" MADE "`runnel serve` takes each setting from a flag, from the environment "
        "or from a file; flags beat the environment, which\n"
        "beats the file. A setting `log_level` is the flag `--log-level`, the variable `RUNNEL_LOG_LEVEL`, and the "
        "line\n"
        "`log_level = debug` of the file. A flag of a yes/no setting takes no value and means yes.\n\n"
        "The file is what `--config` names, else `$XDG_CONFIG_HOME/runnel/server.conf`, else "
        "`/etc/runnel/server.conf`:\n\n"
        "    listen = \"0.0.0.0:7117\"\n"
        "    tls_cert = \"/etc/runnel/cert.pem\"\n"
        "    tls_key = \"/etc/runnel/key.pem\"\n"
        "    allowed_hosts = {\"runnel.example\", \"logs.example\"}\n"
        "    log_level = ${LOG_LEVEL}\n\n"
        "Values in double quotes, or without quotes, may name environment variables as `${NAME}`. A variable that is "
        "not set is\n"
        "an error; `${NAME:-TEXT}` takes the text then. In a flag or a variable a list has commas; the flag may also "
        "be given\n"
        "several times.\n\n"
        "An unknown name or a bad value keeps the server from starting. So does a setting that the file sets a second "
        "time: the\n"
        "server does not guess which value is meant. A list may grow by `+=`.\n\n"
        "On SIGHUP the server reads all of this again and takes over the settings marked so, and the contents of the "
        "TLS files.\n"
        "If something is wrong then, what was in force stays, and the log says why. Of a changed setting that only a "
        "start\n"
        "takes over the log says so. A SIGHUP that comes because the terminal in which the server was started is gone "
        "ends the\n"
        "server in good order instead, unless it was started by `nohup`, `setsid` or a service manager.\n\n"
        "Two examples hold every setting with its default, switched off: [a file](server.conf) and\n"
        "[an environment](runnel.env).\n\n"
        "`retention` has several rules with commas between them, such as `30d, failed=90d, executions=10000,\n"
        "log_bytes=1G`. A duration is how long executions are kept after their end; `STATUS=DURATION` how long those\n"
        "that ended so; `executions` and `bytes` are limits of each account, beyond which the oldest go; "
        "`log_records`\n"
        "(1000 or more) and `log_bytes` (64K or more) limits of each log, beyond which its oldest records go, also "
        "while\n"
        "it is written. Bytes may have K, M, G or T. 0 is for ever, and no limit. Accounts and executions may have "
        "rules\n"
        "of their own ([the contract](execution-contract.md#executions)).\n\n"
        "| setting | default | values | on SIGHUP | meaning |\n|---|---|---|---|---|\n",
        "configuration");
    for (const struct config_setting *setting = config_settings; setting->name; setting++) {
        buf_printf(out, "| `%s` | %s%s%s | ", setting->name, *setting->default_text ? "`" : "", setting->default_text,
                   *setting->default_text ? "`" : "");
        configuration_values(out, setting);
        buf_printf(out, " | %s | %s |\n", setting->reload ? "yes" : "", setting->help);
    }
}

static void issuer_values(struct buf *out, const struct issuer_setting *setting)
{
    if (setting->kind == 'N')
        buf_printf(out, "%lld to %lld", (long long)setting->least, (long long)setting->most);
    else
        buf_append_text(out, setting->kind == 'B' ? "yes, no" : setting->kind == 'L' ? "list" : "text");
}

static void issuers_document(struct buf *out)
{
    buf_printf(out,
               "# Settings of an issuer\n\n" MADE "The setting `jwt_issuers` names a file with a section "
               "`issuer \"NAME\" { … }` for each issuer whose JSON Web Tokens\n"
               "are taken; [the page on them](jwt.md) has examples. These are the settings of a section. A list is "
               "written\n"
               "`{\"a\", \"b\"}`.\n\n"
               "| setting | default | values | meaning |\n|---|---|---|---|\n",
               "issuers");
    for (const struct issuer_setting *setting = issuer_settings; setting->name; setting++) {
        bool quiet = !*setting->default_text;
        buf_printf(out, "| `%s` | %s%s%s | ", setting->name, quiet ? "" : "`", setting->default_text, quiet ? "" : "`");
        issuer_values(out, setting);
        buf_printf(out, " | %s |\n", setting->help);
    }
}

static void routes_document(struct buf *out)
{
    buf_printf(out,
               "# Routes\n\n" MADE "Which roles may use which route. A key or a token with the role `user` reaches its "
               "own executions only; others answer 404.\n"
               "What they answer, and errors, are in [openapi.yaml](openapi.yaml).\n\n",
               "routes");
    route_document(api_routes, out);
}

static void routes_json_document(struct buf *out)
{
    route_document_json(api_routes, out);
}

static void example_comment(struct buf *out, const struct config_setting *setting)
{
    buf_printf(out, "\n# %c%s", ascii_upper(setting->help[0]), setting->help + 1);
    if (setting->kind != 'T' || config_choices(setting)) {
        buf_append_text(out, " (");
        configuration_values(out, setting);
        buf_append_byte(out, ')');
    }
    buf_printf(out, ".%s\n", setting->reload ? " Taken over on SIGHUP." : "");
}

// Writes each setting with its default, switched off: to uncomment a line changes nothing yet.
static void example_file(struct buf *out)
{
    buf_append_text(out, "# Settings of `runnel serve`, each with its default. Copy it to /etc/runnel/server.conf, or "
                         "name it by --config;\n"
                         "# take the # away from what is to change. What each means: docs/configuration.md.\n"
                         "# Made by `runnel help --document server.conf`.\n");
    for (const struct config_setting *setting = config_settings; setting->name; setting++) {
        const char *open = setting->kind == 'L' ? "{" : setting->kind == 'T' ? "\"" : "";
        const char *close = setting->kind == 'L' ? "}" : open;
        example_comment(out, setting);
        buf_printf(out, "#%s = %s%s%s\n", setting->name, open, setting->default_text, close);
    }
}

static void example_environment(struct buf *out)
{
    buf_append_text(out, "\n# --- The server: `runnel serve`. Flags beat these, these beat the file of settings.\n");
    for (const struct config_setting *setting = config_settings; setting->name; setting++) {
        example_comment(out, setting);
        buf_printf(out, "#%s=%s\n", setting->env, setting->default_text);
    }
}

static const struct {
    const char *name;
    void (*write)(struct buf *out);
} documents[] = {
    {"configuration", configuration_document},
    {"issuers", issuers_document},
    {"metrics", metrics_document},
    {"routes", routes_document},
    {"routes-json", routes_json_document}, // for tests
    {"server.conf", example_file},
    {"runnel.env", example_environment},
};

bool server_document(const char *name, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
        if (strcmp(name, documents[i].name) != 0)
            continue;
        documents[i].write(out);
        return true;
    }
    return false;
}
