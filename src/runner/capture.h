// Bytes of a pipe into records: splits at newlines, stamps, keeps every byte (NUL, '\r', not UTF-8), cuts what is longer than
// message_max into `partial` fragments (never within a UTF-8 sequence), and ends an unterminated last line as `partial`. Pure.
#pragma once

#include "model/record.h"

struct capture { // one a stream
    enum record_stream stream;
    size_t message_max;
    struct buf rest; // the unfinished line, below message_max bytes
};

void capture_init(struct capture *capture, enum record_stream stream, size_t message_max);
void capture_release(struct capture *capture);
// Calls `emit` for each complete record within the bytes; its message is borrowed until emit returns.
void capture_feed(struct capture *capture, const void *data, size_t len, int64_t now_ms, void (*emit)(void *arg, const struct record *record),
                  void *arg);
// The stream has ended: emits what is left, partial. Also used when an unfinished line should be shown (a prompt): see capture_idle.
void capture_end(struct capture *capture, int64_t now_ms, void (*emit)(void *arg, const struct record *record), void *arg);
