// Arbitrary answers of S3, in each shape; its first byte chooses which.
#include "blob/s3/s3_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void each(void *arg, const struct str fields[S3_FIELDS])
{
    (void)arg;
    for (size_t i = 0; i < S3_FIELDS; i++) {
        if (fields[i].len > S3_XML_TEXT_MAX + 4)
            abort();
        CLEANUP(free_ptr) char *text = str_dup(fields[i]);
        if (s3_percent_decode(text) && strlen(text) > fields[i].len)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct s3_shape *const shapes[] = {&s3_shape_objects, &s3_shape_parts, &s3_shape_uploads,
                                                    &s3_shape_error};
    char record[S3_RECORD_HEAD] = {0};
    struct s3_record read;
    struct s3_head head;
    if (len == 0)
        return 0;
    struct str document = str_n((const char *)data + 1, len - 1);
    int err = s3_answer_read(shapes[data[0] % ARRAY_LEN(shapes)], document, &(struct s3_items){each, NULL}, &head);
    if (err && err != ERR_MALFORMED)
        abort();
    memcpy(record, document.data, MIN(document.len, sizeof(record)));
    if (s3_record_read(record, &read) && read.key[0] && !blob_key_valid(str_of(read.key)))
        abort();
    return 0;
}
