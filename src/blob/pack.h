// Packs: small contents that came together lie in one file or object, as all adapters write them. Pure.
//
//   "RNLPACK1" u32 COUNT, u32 0    and for each content u32 LIVE (1, and 0 when it was removed), u32 OFFSET, u32 LEN;
//   then their bytes
//
// A pack's key is ACCOUNT/pk/ID; that of a content in it is ACCOUNT/pk/ID.INDEX.OFFSET.LEN.
#pragma once

#include "blob/blob.h"
#include "util/buf.h"

#define BLOB_PACK_FOLDER    "pk" // beside those of two hex digits
#define BLOB_PACK_HEAD      ((size_t)16)
#define BLOB_PACK_ENTRY     ((size_t)12)
#define BLOB_PACK_COUNT_MAX 10000u // INDEX has four digits

struct blob_pack_place {
    struct str pack; // its key: a view into that of the content
    unsigned index;
    uint64_t offset, len;
};
// Whether the key is that of a content in a pack.
bool blob_pack_place(struct str key, struct blob_pack_place *ret);
void blob_pack_key(const char *pack, const struct blob_pack_place *place, char ret_key[BLOB_KEY_MAX + 1]);

struct blob_pack_entry {
    bool live;
    uint32_t offset, len;
};
// Reads BLOB_PACK_HEAD bytes. Returns false if they are no pack's.
bool blob_pack_head_read(const char *head, unsigned *ret_count);
struct blob_pack_entry blob_pack_entry_read(const char *entry); // BLOB_PACK_ENTRY bytes

// Checks all hashes, and counts those contents that are to be kept, with their bytes. ERR_DIGEST, ERR_TOO_LARGE.
int blob_pack_check(struct blob_keep *it, size_t *ret_count, uint64_t *ret_bytes);
void blob_pack_new_key(int64_t account, char ret_key[BLOB_KEY_MAX + 1]);
// Writes the head and the index of those `count`, and gives them their keys. Their bytes follow in their order.
void blob_pack_index_write(struct blob_keep *it, const char *pack, size_t count, struct buf *out);
