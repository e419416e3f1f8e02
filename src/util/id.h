// Identifiers and secrets. All random bytes come from getrandom(2).
#pragma once

#include "util/str.h"

#define ID_SORTABLE_LEN  26 // 48 bits of milliseconds and 80 random bits in Crockford's base 32, lower case (as ULID)
#define ID_EXECUTION_MAX 255
#define ID_ACCOUNT_MAX   63

void random_bytes(void *out, size_t len);
uint64_t random_u64(void);
// Writes 26 characters and a NUL. An id sorts after those that were made in an earlier millisecond.
void id_sortable(int64_t real_ms, char out[ID_SORTABLE_LEN + 1]);
// Makes the same from bytes that the caller has drawn. The low five bits of each byte count.
#define ID_NOISE 16
void id_sortable_from(int64_t real_ms, const uint8_t noise[ID_NOISE], char out[ID_SORTABLE_LEN + 1]);
// Whether the id is [A-Za-z0-9][A-Za-z0-9._:-]{0,254}
bool id_execution_valid(struct str id);
// Whether the name is [A-Za-z0-9][A-Za-z0-9._-]{0,62}
bool id_account_valid(struct str name);
// Writes `len` bytes as lower-case hex and a NUL: `out` holds 2 * len + 1 bytes.
void hex_encode(const void *data, size_t len, char *out);
bool hex_decode(struct str hex, void *out, size_t out_len); // exactly out_len bytes
// Compares two secrets. The time depends on the length alone.
bool secret_eq(const void *a, const void *b, size_t len);
