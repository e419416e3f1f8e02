// What S3 answers in XML, item by item. Pure.
#pragma once

#include "blob/s3/xml.h"

#define S3_FIELDS 4

// An answer's shape: its root, the items in it, and which of their fields are wanted.
struct s3_shape {
    const char *root, *item; // item may be NULL: there are none
    const char *fields[S3_FIELDS];
};
extern const struct s3_shape s3_shape_objects; // Key (percent-encoded), Size, LastModified
extern const struct s3_shape s3_shape_parts;   // PartNumber, Size, LastModified, ETag
extern const struct s3_shape s3_shape_uploads; // Key (percent-encoded), UploadId, Initiated
extern const struct s3_shape s3_shape_begun, s3_shape_completed, s3_shape_error;

struct s3_head { // what stands in the root itself; "" for what does not
    char code[64], message[256], upload_id[1025];
    char next_key[1025], next_upload[1025];
    uint64_t next_part;
    bool truncated;
};
// Hands over each item: a text for each field, "" for one that is missing. Returns 0; ERR_MALFORMED for whatever has
// another root, or an item of more texts than it may.
struct s3_items {
    void (*item)(void *arg, const struct str fields[S3_FIELDS]);
    void *arg;
};
int s3_answer_read(const struct s3_shape *shape, struct str document, const struct s3_items *items,
                   struct s3_head *ret_head);
// Decodes %XX in place; `text` is NUL-terminated. Returns false if it is malformed.
bool s3_percent_decode(char *text);
