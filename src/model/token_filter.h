// Tells which texts a chunk cannot hold: a blocked Bloom filter over the tokens of its messages. No I/O. For one thread
// at a time.
//
// A token is a short piece of text. Whether it is a token depends only on itself and on the bytes beside it. So a text
// that contains a needle has all tokens that lie within the needle. Upper and lower case of ASCII letters are the same.
// Tokens:
// - trigrams: three bytes, none of them a digit
// - words: WORD_MIN or more letters, digits and bytes above 0x7f, with another byte on either side
// - long grams: six bytes within a word; a hash chooses every second one; they tell numbers and identifiers apart
// If there is not enough room, the later kinds are left out first. Each token sets a few bits in one block of 64 bytes;
// if there is still less room, a single one.
#pragma once

#include "util/buf.h"

// --- Making
struct token_builder;
// Makes filters of at most `max` bytes.
struct token_builder *token_builder_new(size_t max);
void token_builder_free(struct token_builder **builder);
void token_builder_add(struct token_builder *builder, struct str text); // adds the tokens of one message
// Appends the filter of all texts, and empties the builder. Appends nothing if the filter would let nearly everything
// pass.
void token_builder_finish(struct token_builder *builder, struct buf *out);

// --- Asking. The tokens of a needle are found once, and then each chunk is asked for them.
struct token_needle {
    uint32_t *tokens;
    size_t count; // 0: the needle is in too many texts, so asking is not worth it
};
// Adds the tokens of `text`. A zeroed needle needs nothing.
void token_needle_add(struct token_needle *needle, struct str text);
void token_needle_release(struct token_needle *needle);
// Returns false if none of the filter's texts contains the needle. Returns true for an empty filter and for one of an
// unknown kind.
bool token_filter_may_hold(struct str filter, const struct token_needle *needle);
