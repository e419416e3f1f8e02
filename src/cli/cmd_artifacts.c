// `artifacts`: shows what an execution has left in RUNNEL_OUTPUTS, and downloads it.
#include "cli/download.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "util/id.h"

#include <unistd.h>

#define COLUMNS    3
#define HASH_SHOWN 12 // digits on a terminal; in JSON are all
#define SIZE_UNITS "KMGTP"

static const struct table_column columns[COLUMNS] = {{"NAME", 0, true}, {"SIZE", 0, false}, {"SHA-256", 1, false}};

// --- Which

struct wanted {
    const char *id; // NULL: the latest
    char *const *names;
    size_t name_count;
};

static int read_operands(struct cli *cli, struct wanted *ret)
{
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    bool latest = cli_flag(cli, "last");
    if (!latest && count == 0)
        return cli_usage_error(cli, "name an execution: runnel artifacts ID, or --last");
    if (!latest && !id_execution_valid(str_of(operands[0])))
        return cli_usage_error(cli, "\"%s\" cannot be the identifier of an execution", operands[0]);
    *ret = (struct wanted){.id = latest ? NULL : operands[0],
                           .names = operands + (latest ? 0 : 1),
                           .name_count = count - (latest ? 0 : 1)};
    return 0;
}

// A name means the file, or what lies in the folder of that name.
static bool is_named(const char *artifact, const char *name)
{
    size_t len = strlen(name);
    while (len > 1 && name[len - 1] == '/')
        len--;
    return strncmp(artifact, name, len) == 0 && (artifact[len] == 0 || artifact[len] == '/');
}

static const char *name_of(const json_t *artifact)
{
    const char *name = json_string_value(json_object_get(artifact, "name"));
    return name ? name : "";
}

static int choose(struct cli *cli, const struct wanted *wanted, const json_t *all, json_t **ret)
{
    CLEANUP(json_free) json_t *chosen = json_array();
    CLEANUP(free_ptr) bool *found = xcalloc(wanted->name_count + 1, sizeof(*found));
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *artifact = json_array_get(all, i);
        bool takes = wanted->name_count == 0;
        for (size_t n = 0; n < wanted->name_count; n++) {
            bool named = is_named(name_of(artifact), wanted->names[n]);
            found[n] |= named;
            takes |= named;
        }
        if (takes)
            json_array_append(chosen, artifact);
    }
    for (size_t n = 0; n < wanted->name_count; n++) {
        if (!found[n])
            return cli_fail(cli, ERR_NOT_FOUND, "%s has no artifact \"%s\"; `runnel artifacts %s` shows them",
                            wanted->id, wanted->names[n], wanted->id);
    }
    *ret = TAKE_PTR(chosen);
    return 0;
}

// --- The table

static char *size_text(json_int_t bytes)
{
    static const char units[] = SIZE_UNITS;
    double size = (double)bytes;
    size_t unit = 0;
    if (bytes < 1024)
        return xasprintf("%lld B", (long long)bytes);
    for (size /= 1024; size >= 1023.95 && units[unit + 1]; unit++)
        size /= 1024;
    return xasprintf("%.1f %ciB", size, units[unit]);
}

static char *shown(const char *text)
{
    struct buf out = {0};
    terminal_append_cell(&out, str_of(text));
    return buf_take(&out);
}

static void append_table(const json_t *list, bool whole_hash, struct buf *out)
{
    size_t rows = json_array_size(list), width, height;
    CLEANUP(free_ptr) char **cells = xcalloc(rows * COLUMNS + 1, sizeof(*cells));
    for (size_t i = 0; i < rows; i++) {
        const json_t *artifact = json_array_get(list, i);
        const char *hash = json_string_value(json_object_get(artifact, "sha256"));
        CLEANUP(free_ptr) char *part = xasprintf("%.*s", whole_hash ? 64 : HASH_SHOWN, hash ? hash : "");
        cells[i * COLUMNS] = shown(name_of(artifact));
        cells[i * COLUMNS + 1] = size_text(json_integer_value(json_object_get(artifact, "size")));
        cells[i * COLUMNS + 2] = shown(part);
    }
    output_terminal_size(STDOUT_FILENO, &width, &height);
    table_append(columns, COLUMNS, (const char *const *)cells, rows, width, out);
    for (size_t i = 0; i < rows * COLUMNS; i++)
        free(cells[i]);
}

static int show(struct cli *cli, const char *id, const json_t *list)
{
    CLEANUP(buf_release) struct buf text = {0};
    if (cli_json(cli)) {
        CLEANUP(json_free) json_t *object = json_pack("{s:s, s:O}", "execution_id", id, "artifacts", list);
        json_append_line(&text, object);
    } else if (json_array_size(list) == 0) {
        fprintf(stderr, "runnel: %s has no artifacts\n", id);
    } else {
        append_table(list, !isatty(STDOUT_FILENO), &text);
    }
    return cli_print(cli, &text);
}

// --- The download

static void tell(struct cli *cli, const struct download *download, const json_t *artifact, enum download_end end)
{
    CLEANUP(buf_release) struct buf line = {0};
    if (cli_json(cli)) {
        CLEANUP(json_free) json_t *object = json_copy((json_t *)(uintptr_t)artifact);
        CLEANUP(free_ptr) char *path = xasprintf("%s/%s", download->folder, name_of(artifact));
        json_object_set_new(object, "path", json_string(path));
        json_object_set_new(object, "downloaded", json_boolean(end == DOWNLOAD_DONE));
        json_append_line(&line, object);
    } else {
        CLEANUP(free_ptr) char *size = size_text(json_integer_value(json_object_get(artifact, "size")));
        terminal_append(&line, str_of(download->folder));
        buf_append_byte(&line, '/');
        terminal_append(&line, str_of(name_of(artifact)));
        buf_printf(&line, "  %s%s\n", size, end == DOWNLOAD_THERE ? " (is there already)" : "");
    }
    cli_print(cli, &line);
}

static int download_all(struct cli *cli, struct client *client, const char *id, const json_t *list)
{
    CLEANUP(download_close)
    struct download download = {.client = client, .execution_id = id, .folder_fd = -1, .force = cli_flag(cli, "force")};
    int last = download_open(cli, cli_value(cli, "download"), &download);
    for (size_t i = 0; i < json_array_size(list) && download.folder_fd >= 0; i++) {
        const json_t *artifact = json_array_get(list, i);
        enum download_end end;
        int code = download_artifact(&download, artifact, &end);
        if (code == 0)
            tell(cli, &download, artifact, end);
        last = last ? last : code; // the others have their turn all the same
    }
    return last;
}

static int run_artifacts(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(json_free) json_t *answer = NULL, *list = NULL;
    struct wanted wanted;
    int code = read_operands(cli, &wanted);
    if (code == 0 && cli_flag(cli, "force") && !cli_value(cli, "download"))
        return cli_usage_error(cli, "--force is for --download");
    if (code == 0)
        code = cli_connect(cli, &client);
    if (code == 0)
        code = cli_find_execution(cli, client, &wanted.id);
    if (code)
        return code;
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/artifacts", wanted.id);
    code = cli_get_json(cli, client, path, &answer);
    if (code == 0)
        code = choose(cli, &wanted, json_object_get(answer, "artifacts"), &list);
    if (code)
        return code;
    return cli_value(cli, "download") ? download_all(cli, client, wanted.id, list) : show(cli, wanted.id, list);
}

const struct cli_command cmd_artifacts = {
    .name = "artifacts",
    .summary = "show or download what an execution has left",
    .usage = "ID [NAME]... [--download FOLDER] [-o json]",
    .description = "What a job leaves in the folder that RUNNEL_OUTPUTS names becomes artifacts of its execution when "
                   "it has ended. This shows them, or downloads them. NAME is a file, or a folder with all that is in "
                   "it; without any, it is all of them.\n\n"
                   "A download is checked by its hash. One that was interrupted goes on where it ended. What is there "
                   "already is left alone if it is the same; else that is an error, unless --force replaces it. "
                   "Nothing is written outside FOLDER, and through no link in it.",
    .options =
        (const struct cli_option[]){
            {'d', "download", CLI_VALUE, "FOLDER", "download them into it; it is made if it is not there"},
            {'f', "force", CLI_FLAG, NULL, "replace files that are there and differ"},
            {0, "last", CLI_FLAG, NULL, "of the latest execution"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel artifacts exec_abc123", "what it has left"},
            {"runnel artifacts exec_abc123 --download results", "all of it, into a folder"},
            {"runnel artifacts --last plots/ -d .", "one folder of the latest execution"},
            {0},
        },
    .run = run_artifacts,
};
