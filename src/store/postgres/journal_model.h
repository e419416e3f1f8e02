// What one execution and its log must be, after what its servers have acknowledged: for a random test. The rules of
// numbering and outcomes are those of model/, applied here to all that came, in its order.
#pragma once

#include "model/chunk.h"
#include "model/outcome.h"
#include "model/sequence.h"

#define MODEL_PRODUCERS 4
#define MODEL_ANONYMOUS (-1)

struct model_line {
    int producer;
    uint64_t counter;
};

struct model_producer {
    struct sequence_producer sequence;
    uint64_t last_counter, last_sequence; // of its last append
    uint64_t batch_first;                 // that append as it was sent
    uint32_t batch_count;
};

struct model_log {
    int64_t row;
    char id[32];
    struct outcome outcome;
    bool purged;
    struct model_line *lines; // all that were ever acknowledged
    uint64_t next, cap;
    uint64_t front; // retention has kept those from here on
    uint64_t digest, message_bytes;
    struct model_producer producers[MODEL_PRODUCERS];
};

struct model_append {
    int producer;
    uint64_t first;
    uint32_t count;
    uint64_t epoch;
    bool skip_ahead, says_digest; // says_digest: MODEL_SAID
    bool altered;                 // it is not what such a producer has sent under this number
};
#define MODEL_SAID 77u

struct model_answer {
    int err;
    uint64_t first, appended, producer_next, next; // with err 0
};

void model_log_release(struct model_log *log);
const char *model_producer_name(int producer);                // "" of the anonymous one
struct chunk *model_chunk(const struct model_append *append); // owned by the caller
bool model_is_line(const struct model_line *line, const struct record *record);
struct model_answer model_judge(const struct model_log *log, const struct model_append *append);
void model_apply(struct model_log *log, const struct model_append *append, const struct model_answer *answer);
uint64_t model_digest_of_front(const struct model_log *log);
