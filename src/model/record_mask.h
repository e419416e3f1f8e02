// Records that were made elsewhere than from a stream of bytes: their texts, masked. Pure.
#pragma once

#include "model/mask.h"
#include "model/record.h"

// *ret: the record with its message and its structured fields masked: every string on whatever level, also the names in
// objects, and numbers. It borrows from `scratch`, or from the record where nothing is to be masked.
struct record_masked {
    struct buf message, extra;
};
void record_masked_release(struct record_masked *scratch);
void record_mask(const struct mask *mask, const struct record *record, struct record_masked *scratch,
                 struct record *ret);
