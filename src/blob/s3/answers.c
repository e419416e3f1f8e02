#include "blob/s3/answers.h"

#include "util/id.h"

const struct s3_shape s3_shape_objects = {"ListBucketResult", "Contents", {"Key", "Size", "LastModified"}};
const struct s3_shape s3_shape_parts = {"ListPartsResult", "Part", {"PartNumber", "Size", "LastModified", "ETag"}};
const struct s3_shape s3_shape_uploads = {"ListMultipartUploadsResult", "Upload", {"Key", "UploadId", "Initiated"}};
const struct s3_shape s3_shape_begun = {.root = "InitiateMultipartUploadResult"};
const struct s3_shape s3_shape_completed = {.root = "CompleteMultipartUploadResult"};
const struct s3_shape s3_shape_error = {.root = "Error"};

struct reading {
    const struct s3_shape *shape;
    const struct s3_items *items;
    struct s3_head *head;
    struct buf texts[S3_FIELDS];
    bool wrong; // of another shape
};

static void copy(char *out, size_t size, struct str text, bool *wrong)
{
    *wrong |= !str_put(out, size, text) || str_find(text, '\0');
}

static void take_head(struct reading *it, struct str name, struct str text)
{
    struct s3_head *head = it->head;
    const struct {
        const char *name;
        char *out;
        size_t size;
    } texts[] = {
        {"Code", head->code, sizeof(head->code)},
        {"UploadId", head->upload_id, sizeof(head->upload_id)},
        {"NextKeyMarker", head->next_key, sizeof(head->next_key)},
        {"NextUploadIdMarker", head->next_upload, sizeof(head->next_upload)},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (str_eq(name, str_of(texts[i].name)))
            copy(texts[i].out, texts[i].size, text, &it->wrong);
    bool cut = false; // for people
    if (str_eq(name, STR("Message")))
        copy(head->message, sizeof(head->message), text, &cut);
    if (str_eq(name, STR("IsTruncated")))
        head->truncated = str_eq(str_trim(text), STR("true"));
    if (str_eq(name, STR("NextPartNumberMarker")) && text.len > 0)
        it->wrong |= !str_to_u64(text, &head->next_part);
}

static void take_field(struct reading *it, struct str name, struct str text)
{
    for (size_t i = 0; i < S3_FIELDS && it->shape->fields[i]; i++) {
        if (!str_eq(name, str_of(it->shape->fields[i])))
            continue;
        buf_reset(&it->texts[i]);
        buf_append_str(&it->texts[i], text);
    }
}

static void hand_over(struct reading *it)
{
    struct str fields[S3_FIELDS];
    for (size_t i = 0; i < S3_FIELDS; i++)
        fields[i] = it->texts[i].len > 0 ? buf_str(&it->texts[i]) : STR("");
    it->items->item(it->items->arg, fields);
    for (size_t i = 0; i < S3_FIELDS; i++)
        buf_reset(&it->texts[i]);
}

static void take_element(void *arg, const struct str *names, unsigned depth, struct str text)
{
    struct reading *it = arg;
    bool in_item = it->shape->item && depth >= 2 && str_eq(names[1], str_of(it->shape->item));
    it->wrong |= !str_eq(names[0], str_of(it->shape->root));
    if (it->wrong)
        return;
    if (depth == 2 && in_item)
        hand_over(it);
    else if (depth == 2)
        take_head(it, names[1], text);
    else if (depth == 3 && in_item)
        take_field(it, names[2], text);
}

int s3_answer_read(const struct s3_shape *shape, struct str document, const struct s3_items *items,
                   struct s3_head *ret_head)
{
    struct reading it = {.shape = shape, .items = items, .head = ret_head};
    *ret_head = (struct s3_head){0};
    int err = s3_xml_read(document, &(struct s3_xml_reader){take_element, &it});
    for (size_t i = 0; i < S3_FIELDS; i++)
        buf_release(&it.texts[i]);
    return err == 0 && it.wrong ? ERR_MALFORMED : err;
}

bool s3_percent_decode(char *text)
{
    char *out = text;
    for (const char *at = text; *at; at++) {
        if (*at != '%') {
            *out++ = *at;
            continue;
        }
        if (!at[1] || !hex_decode(str_n(at + 1, 2), out, 1) || *out == 0)
            return false;
        out++;
        at += 2;
    }
    *out = 0;
    return true;
}
