// Bytes to texts and to a stream in pieces: masked in pieces it is what it is at once. The texts come first, each with
// its length, and a zero ends them; then each piece with its length.
#include "model/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str next(struct str *rest)
{
    if (rest->len == 0)
        return (struct str){0};
    size_t len = MIN((size_t)(uint8_t)rest->data[0], rest->len - 1);
    struct str piece = str_n(rest->data + 1, len);
    *rest = str_n(rest->data + 1 + len, rest->len - 1 - len);
    return piece;
}

static void take(void *arg, struct str bytes)
{
    buf_append_str(arg, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n((const char *)data, size), piece;
    CLEANUP(mask_free) struct mask *mask = mask_new();
    CLEANUP(masker_release) struct masker masker;
    CLEANUP(buf_release) struct buf whole = {0}, expected = {0}, got = {0};
    while ((piece = next(&rest)).len > 0) {
        if (!secret_value_problem(piece))
            secret_add_forms(mask, piece);
        mask_add(mask, piece);
    }
    mask_seal(mask);
    masker_init(&masker, mask);
    while (rest.len > 0) {
        piece = next(&rest);
        buf_append_str(&whole, piece);
        masker_feed(&masker, piece, take, &got);
    }
    masker_end(&masker, take, &got);
    mask_text(mask, buf_str(&whole), &expected);
    if (!str_eq(buf_str(&got), buf_str(&expected)))
        abort();
    return 0;
}
