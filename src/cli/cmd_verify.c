#include "cli/chunk_stream.h"
#include "cli/cli_private.h"

#include <inttypes.h>

#define IDLE_MS   60000
#define LOOKS_MAX 20 // a log may lose records at its front while it is read; then it is looked at anew

struct verification {
    uint64_t first;        // what retention has kept begins here …
    bool digest_unknown;   // … and nobody knows the digest of what was before
    uint64_t next, digest; // of what comes next, and of everything before it
    bool moved;            // the front is another one by now
    bool hole;
    uint64_t hole_from, hole_to;
    int err; // from decoding
    struct chunk_stream stream;
};

static bool take_chunk(void *arg, uint64_t first, const struct chunk *chunk)
{
    struct verification *verification = arg;
    if (first != verification->next) {
        verification->hole = true;
        verification->hole_from = verification->next;
        verification->hole_to = first;
        return false;
    }
    verification->digest = chunk_digest(chunk, verification->digest);
    verification->next += chunk_count(chunk);
    return true;
}

// Only the front can be missing here: what goes on behind records would be a hole.
static void take_message(void *arg, struct str json)
{
    struct verification *verification = arg;
    CLEANUP(json_free) json_t *message = json_loadb(json.data, json.len, 0, NULL);
    const json_t *to = json_object_get(message, "to");
    const char *type = json_string_value(json_object_get(message, "type"));
    if (type && strcmp(type, "gap") == 0 && json_is_integer(to))
        verification->moved |= (uint64_t)json_integer_value(to) >= verification->first;
}

static bool take_bytes(void *arg, struct str bytes)
{
    struct verification *verification = arg;
    int err = chunk_stream_feed(&verification->stream, bytes);
    if (verification->moved)
        return false;
    if (err && err != ERR_CANCELED)
        verification->err = err;
    return err == 0;
}

struct verdict {
    bool good;
    struct buf text;
};

static void verdict_release(struct verdict *verdict)
{
    buf_release(&verdict->text);
}

// If somebody ended the log afterwards, they knew what was in it. A log that goes on, or was given up as lost, may have
// had more.
static bool may_have_lost(const json_t *status, uint64_t last_index)
{
    const json_t *from = json_object_get(status, "restored_from");
    const char *word = json_string_value(json_object_get(status, "status"));
    bool ended = json_is_true(json_object_get(status, "sealed")) && word && strcmp(word, "lost") != 0;
    return json_is_integer(from) && !ended && last_index > 0 && (uint64_t)json_integer_value(from) == last_index;
}

static void append_proof(const struct verification *verification, const char *computed, struct buf *out)
{
    uint64_t records = verification->next - verification->first;
    buf_printf(out, "%" PRIu64 " record%s, whole; digest %s", records, records == 1 ? "" : "s",
               verification->next > 0 ? computed : "none");
    if (verification->first > 0)
        buf_printf(out, "; %" PRIu64 " before them were removed by retention, and are in the digest",
                   verification->first);
}

static void judge(const struct verification *verification, const json_t *status, struct verdict *ret)
{
    uint64_t last_index = (uint64_t)json_integer_value(json_object_get(status, "last_index"));
    const char *digest = json_string_value(json_object_get(status, "digest"));
    char computed[17];
    snprintf(computed, sizeof(computed), "%016" PRIx64, verification->digest);
    if (verification->err)
        buf_printf(&ret->text, "a chunk after record %" PRIu64 " cannot be decoded: %s", verification->next,
                   error_text(verification->err));
    else if (verification->hole && verification->hole_to > verification->hole_from)
        buf_printf(&ret->text, "records %" PRIu64 "–%" PRIu64 " are missing", verification->hole_from,
                   verification->hole_to - 1);
    else if (verification->hole)
        buf_printf(&ret->text, "records from %" PRIu64 " on came twice", verification->hole_to);
    else if (verification->next < last_index)
        buf_printf(&ret->text, "records %" PRIu64 "–%" PRIu64 " are missing", verification->next, last_index - 1);
    else if (digest && !verification->digest_unknown && verification->next == last_index &&
             strcmp(digest, computed) != 0)
        buf_printf(&ret->text, "the digest of the records is %s, it should be %s", computed, digest);
    else if (verification->digest_unknown)
        buf_printf(&ret->text,
                   "records %" PRIu64 "–%" PRIu64 " are all there, but some of the %" PRIu64
                   " before them, which retention has removed, could not be read then: there is no digest to compare "
                   "with",
                   verification->first, verification->next - 1, verification->first);
    else if (may_have_lost(status, last_index))
        buf_printf(&ret->text,
                   "the store was restored, or has lost commits, when the log had %" PRIu64
                   " records, and nothing has come since: what came after them may be missing",
                   last_index);
    else if (!digest && last_index > 0)
        buf_append_text(&ret->text, "the server tells no digest to compare with");
    else
        ret->good = true;
    if (ret->good)
        append_proof(verification, computed, &ret->text);
}

static int read_log(struct cli *cli, struct client *client, const char *id, struct verification *verification)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/logs?format=chunk&from=0", id);
    CLEANUP(client_response_release) struct client_response response = {0};
    verification->stream = (struct chunk_stream){.chunk = take_chunk, .message = take_message, .arg = verification};
    int err = client_stream(client, path, NULL, take_bytes, verification, IDLE_MS, &response);
    if (err == 0 && (response.status < 200 || response.status >= 300))
        return cli_fail_response(cli, &response);
    bool torn = verification->stream.buf.len > 0 && !verification->err && !verification->hole;
    chunk_stream_release(&verification->stream);
    if (verification->moved)
        return 0;
    if (err == 0 && torn)
        err = ERR_CLOSED;
    return err ? cli_fail(cli, err, "reading the log: %s; try again", error_text(err)) : 0;
}

// What retention has removed counts by its digest, which is kept.
static void begin(struct verification *verification, const json_t *status)
{
    const char *digest = json_string_value(json_object_get(status, "cut_digest"));
    uint64_t first = (uint64_t)json_integer_value(json_object_get(status, "first_sequence"));
    *verification = (struct verification){
        .first = first,
        .next = first,
        .digest = digest ? strtoull(digest, NULL, 16) : 0,
        .digest_unknown = first > 0 && !digest,
    };
}

// Reads it with a status that fits: until nothing was removed at its front between the two.
static int read_whole(struct cli *cli, struct client *client, const char *id, json_t **status,
                      struct verification *verification)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/status", id);
    int code = 0;
    for (unsigned looks = 0; looks < LOOKS_MAX && code == 0; looks++) {
        begin(verification, *status);
        code = read_log(cli, client, id, verification);
        if (code || !verification->moved)
            return code;
        json_decref(TAKE_PTR(*status));
        code = cli_get_json(cli, client, path, status);
    }
    return code ? code : cli_fail(cli, ERR_CONFLICT, "retention removes records of this log all the time; try again");
}

static int run_verify(struct cli *cli)
{
    CLEANUP(client_free) struct client *client = NULL;
    CLEANUP(json_free) json_t *status = NULL;
    CLEANUP(verdict_release) struct verdict verdict = {0};
    CLEANUP(buf_release) struct buf out = {0};
    struct verification verification = {0};
    const char *id;
    int code = cli_read_status(cli, &client, &id, &status);
    if (code == 0)
        code = read_whole(cli, client, id, &status, &verification);
    // A log that is still written has grown meanwhile. So the comparison is with what was there before reading, if the
    // log was sealed then.
    bool sealed = json_is_true(json_object_get(status, "sealed"));
    if (code)
        return code;
    judge(&verification, status, &verdict);

    if (cli_json(cli)) {
        buf_printf(&out,
                   "{\"execution_id\":\"%s\",\"verified\":%s,\"sealed\":%s,\"records\":%" PRIu64
                   ",\"first_sequence\":%" PRIu64 ",\"digest\":\"%016" PRIx64 "\",\"detail\":",
                   id, verdict.good ? "true" : "false", sealed ? "true" : "false",
                   verification.next - verification.first, verification.first, verification.digest);
        buf_append_json_string(&out, buf_str(&verdict.text));
        buf_append_text(&out, "}\n");
    } else {
        buf_printf(&out, "%s %s: %.*s%s\n", verdict.good ? "✓" : "✗", id, STR_ARGS(buf_str(&verdict.text)),
                   sealed ? "" : " (the log is not sealed yet)");
    }
    code = cli_print(cli, &out);
    return code ? code : verdict.good ? 0 : 1;
}

const struct cli_command cmd_verify = {
    .name = "verify",
    .summary = "prove that a log is whole and unchanged",
    .usage = "ID [-o json]",
    .description =
        "Reads the whole log as it is stored, checks that no sequence number is missing, computes the "
        "digest over stream, level, message and "
        "fields of every record and compares it with the one that was kept while they were written.\n\n"
        "A store that was restored, or that a fault of its disk has made lose commits, knows what it has, "
        "not what it had: of a log that was open "
        "then, and to which nothing has come since, this says so.\n\n"
        "Of a log of which retention has removed the front, the digest of those records is kept. From there it "
        "is continued over what is left, so a record that was changed is found as well.\n\n"
        "Exits with 1 if the log is not whole, may not be, or was changed.",
    .options =
        (const struct cli_option[]){
            {0, "last", CLI_FLAG, NULL, "the latest execution"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel verify exec_abc123", "✓ exec_abc123: 1204 records, whole; digest 8c1f…"},
            {0},
        },
    .run = run_verify,
};
