// Which texts a chunk cannot hold: a blocked Bloom filter over tokens of its messages. No I/O; one thread at a time.
//
// A token is a short piece of text that is found by looking at nothing but itself and the bytes beside it, so a text
// that holds a needle has all tokens that lie within the needle. ASCII letters of either case are one. Tokens are:
//   trigrams   three bytes, none of them a digit
//   words      letters, digits and bytes above 0x7f, WORD_MIN of them or more, with another byte on either side
//   long grams six bytes within a word, of which a hash picks every second one: what tells numbers and identifiers
//   apart
// Where there is no room for all of them the last are left out first.
// Each sets a few bits of one block of 64 bytes.
#pragma once

#include "util/buf.h"

// --- Making
struct token_builder;
struct token_builder *token_builder_new(void);
void token_builder_free(struct token_builder **builder);
void token_builder_add(struct token_builder *builder, struct str text); // of one message
// Appends the filter of all texts, of at most `max` bytes; the builder is empty afterwards. Nothing if it would let
// nearly everything pass.
void token_builder_finish(struct token_builder *builder, size_t max, struct buf *out);

// --- Asking. What a needle needs is found once, and asked of each chunk.
struct token_needle {
    uint32_t *tokens;
    size_t count; // 0: it is in too many texts to be worth asking
};
// Adds what `text` needs; a zeroed one needs nothing.
void token_needle_add(struct token_needle *needle, struct str text);
void token_needle_release(struct token_needle *needle);
// False if none of the filter's texts holds the needle. An empty filter, or one of a kind that is not known, says true.
bool token_filter_may_hold(struct str filter, const struct token_needle *needle);
