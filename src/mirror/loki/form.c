#include "mirror/loki/form.h"

#include "util/json_writer.h"

#include <xxhash.h>

#define NS_PER_MS UINT64_C(1000000)

static const char *const words[] = {[LOKI_FEW] = "few", [LOKI_RUN] = "run"};

const char *loki_labels_word(enum loki_labels labels)
{
    return words[labels];
}

bool loki_labels_parse(struct str word, enum loki_labels *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!str_eq(word, str_of(words[i])))
            continue;
        *ret = (enum loki_labels)i;
        return true;
    }
    return false;
}

// --- Times

uint64_t loki_phase(enum loki_labels labels, struct str run_id)
{
    return labels == LOKI_FEW ? XXH3_64bits(run_id.data, run_id.len) % NS_PER_MS : 0;
}

uint64_t loki_time_ns(int64_t time_ms, uint64_t sequence, uint64_t phase)
{
    int64_t most = INT64_MAX / (int64_t)NS_PER_MS - 1; // Loki's times are signed
    uint64_t ms = (uint64_t)MIN(MAX(time_ms, 0), most);
    return ms * NS_PER_MS + (sequence % NS_PER_MS + phase) % NS_PER_MS;
}

uint64_t loki_sequence_of(uint64_t time_ns, uint64_t phase, uint64_t near)
{
    uint64_t part = (time_ns % NS_PER_MS + NS_PER_MS - phase) % NS_PER_MS;
    uint64_t found = near / NS_PER_MS * NS_PER_MS + part;
    if (found > near && found - near > NS_PER_MS / 2 && found >= NS_PER_MS)
        return found - NS_PER_MS;
    return found < near && near - found > NS_PER_MS / 2 ? found + NS_PER_MS : found;
}

// --- Labels

// In quotes, as Go writes texts.
static void quote(struct buf *out, struct str text)
{
    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if ((unsigned char)c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", (unsigned char)c);
        else
            buf_append_byte(out, c);
    }
    buf_append_byte(out, '"');
}

// Loki takes an empty label for none.
static void label(struct buf *out, const char *name, struct str value)
{
    if (value.len == 0)
        return;
    char before = out->len > 0 ? out->data[out->len - 1] : 0;
    if (before != '{')
        buf_append_text(out, ", ");
    buf_append_text(out, name);
    buf_append_byte(out, '=');
    quote(out, value);
}

static struct str account_of(const struct loki_run *run)
{
    return str_eq(run->account, STR("default")) ? (struct str){0} : run->account;
}

// In the order of the names, as Loki sorts them.
void loki_stream_append(struct buf *out, enum loki_labels labels, const struct loki_run *run, struct str node,
                        struct str stream, struct str level)
{
    buf_append_byte(out, '{');
    label(out, "account", labels == LOKI_FEW ? run->account : account_of(run));
    if (labels == LOKI_FEW) {
        label(out, "level", level);
    } else {
        label(out, "node", node);
        label(out, "run_id", run->run_id);
    }
    label(out, "stream", stream);
    buf_append_byte(out, '}');
}

void loki_labels_add(struct json_writer *json, const char *name, enum loki_labels labels, const struct loki_run *run,
                     struct str node)
{
    struct str account = labels == LOKI_FEW ? run->account : account_of(run);
    json_open_object(json, name);
    if (account.len > 0)
        json_add_str(json, "account", account);
    if (labels == LOKI_RUN)
        json_add_str(json, "run_id", run->run_id);
    if (labels == LOKI_RUN && node.len > 0)
        json_add_str(json, "node", node);
    json_close(json);
}

static void filter(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, " | %s=", name);
    quote(out, value);
}

void loki_query_append(struct buf *out, enum loki_labels labels, const struct loki_run *run, struct str node)
{
    buf_append_byte(out, '{');
    label(out, "account", labels == LOKI_FEW ? run->account : account_of(run));
    if (labels == LOKI_RUN)
        label(out, "run_id", run->run_id);
    buf_append_byte(out, '}');
    if (labels == LOKI_FEW)
        filter(out, "run_id", run->run_id);
    if (node.data) // a label or metadata: this finds both, and what has none if it is empty
        filter(out, "node", node);
}
