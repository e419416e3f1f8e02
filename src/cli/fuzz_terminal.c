#include "cli/terminal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Whatever goes in: what comes out is UTF-8, and every ESC in it begins a colour.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_release) struct buf out = {0};
    terminal_append(&out, str_n((const char *)data, size));
    if (!utf8_valid(out.data, out.len))
        abort();
    for (size_t i = 0; i < out.len; i++) {
        unsigned char c = (unsigned char)out.data[i];
        if (c == 0x7f || (c < 0x20 && c != '\t' && c != '\n' && c != '\033'))
            abort();
        if (c == 0xc2 && i + 1 < out.len && (unsigned char)out.data[i + 1] <= 0x9f)
            abort();
        if (c != '\033')
            continue;
        if (i + 1 >= out.len || out.data[i + 1] != '[')
            abort();
        size_t end = i + 2;
        while (end < out.len && strchr("0123456789;:", out.data[end]) && out.data[end])
            end++;
        if (end >= out.len || out.data[end] != 'm')
            abort();
    }
    return 0;
}
