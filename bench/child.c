// The two ends of the way of one line: a job that writes lines with the time in them, one write(2) each, and whoever
// reads them where `runnel logs -f` writes them.
#include "load.h"

#include <errno.h>
#include <unistd.h>

#define STAMP_LEN  20
#define READ_BYTES (256u * 1024)

static void write_all(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t put = write(STDOUT_FILENO, data, len);
        if (put < 0)
            fail("write: %s", strerror(errno));
        data += put;
        len -= (size_t)put;
    }
}

// --rate 0: as fast as it goes, 64 lines a write, as stdio would.
int run_child(struct args *args)
{
    uint64_t rate = args_number(args, "rate", 0), seconds = args_number(args, "seconds", 5),
             batch = args_number(args, "batch", rate ? 1 : 64), wait_ms = args_number(args, "wait-ms", 0);
    struct corpus corpus = {0};
    corpus_load(&corpus, args_text(args, "file", NULL), 100000);
    args_done(args);
    uint64_t began = now_ns() + wait_ms * 1000000, end = began + seconds * 1000000000;
    CLEANUP(buf_release) struct buf out = {0};

    sleep_until(began);
    for (uint64_t line = 0;; line += batch) {
        uint64_t due = rate ? began + line * 1000000000 / rate : began;
        if (rate ? due >= end : now_ns() >= end)
            break;
        if (rate)
            sleep_until(due);
        buf_reset(&out);
        for (uint64_t i = 0; i < batch; i++) {
            buf_printf(&out, "%0*llu ", STAMP_LEN, (unsigned long long)now_ns());
            buf_append_str(&out, corpus.lines[(line + i) % corpus.count]);
            buf_append_byte(&out, '\n');
        }
        write_all(out.data, out.len);
    }
    return 0;
}

int run_reader(struct args *args)
{
    uint64_t skip_ms = args_number(args, "skip-ms", 0); // of the start: the followers come together
    args_done(args);
    struct samples samples = {0};
    CLEANUP(buf_release) struct buf in = {0};
    uint64_t first = 0, last = 0, lines = 0, bytes = 0;

    for (;;) {
        buf_reserve(&in, READ_BYTES);
        ssize_t got = read(STDIN_FILENO, in.data + in.len, READ_BYTES);
        uint64_t now = now_ns();
        if (got < 0)
            fail("read: %s", strerror(errno));
        if (got == 0)
            break;
        in.len += (size_t)got;
        bytes += (uint64_t)got;
        size_t used = 0;
        for (char *end; (end = memchr(in.data + used, '\n', in.len - used)); used = (size_t)(end - in.data) + 1) {
            uint64_t stamp = strtoull(in.data + used, NULL, 10);
            first = first ? first : stamp;
            last = now;
            lines++;
            if (stamp >= first + skip_ms * 1000000)
                samples_add(&samples, now - stamp);
        }
        buf_consume(&in, used);
    }
    printf("{\"lines\":%llu,\"bytes\":%llu,\"seconds\":%.4f,", (unsigned long long)lines, (unsigned long long)bytes,
           (double)(last - first) / 1e9);
    samples_print(&samples, "latency");
    printf("}\n");
    samples_release(&samples);
    return 0;
}
