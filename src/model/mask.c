#include "model/mask.h"

#define BYTES       256
#define PAIRS       4096 // hashes of two bytes
#define WINDOW      MASK_TEXT_MIN
#define RUNS_DRAIN  64 // so many are gathered before they are given on
#define HELD_MOVE   65536
#define NODES_FIRST 256

// A state of the automaton: the bytes on the way to it are the longest end of what was fed that a text begins with.
struct node {
    uint32_t child, sibling; // 0: none
    uint32_t fail;           // the state of the next shorter end
    uint32_t depth;
    uint32_t match; // length of the longest text that ends here; 0: none
    uint8_t byte;
};

struct mask {
    struct node *nodes; // the first is the root
    size_t count, cap;
    uint32_t first[BYTES]; // children of the root
    // By the two last bytes of a window of four: how far the next place is where a text may begin.
    uint8_t shift[PAIRS];
};

static unsigned pair_hash(uint8_t a, uint8_t b)
{
    return (a * 33u ^ b * 16u) % PAIRS;
}

// --- The texts

static uint32_t node_add(struct mask *mask, uint32_t depth, uint8_t byte)
{
    if (mask->count == mask->cap) {
        mask->cap = MAX(mask->cap * 2, (size_t)NODES_FIRST);
        mask->nodes = xrealloc(mask->nodes, mask->cap * sizeof(*mask->nodes));
    }
    mask->nodes[mask->count] = (struct node){.depth = depth, .byte = byte};
    return (uint32_t)mask->count++;
}

struct mask *mask_new(void)
{
    struct mask *mask = xcalloc(1, sizeof(*mask));
    node_add(mask, 0, 0);
    memset(mask->shift, WINDOW - 1, sizeof(mask->shift));
    return mask;
}

void mask_free(struct mask **mask_ptr)
{
    struct mask *mask = TAKE_PTR(*mask_ptr);
    if (!mask)
        return;
    explicit_bzero(mask->nodes, mask->cap * sizeof(*mask->nodes));
    free(mask->nodes);
    free(mask);
}

static inline uint32_t child_of(const struct mask *mask, uint32_t state, uint8_t byte)
{
    if (state == 0)
        return mask->first[byte];
    uint32_t at = mask->nodes[state].child;
    while (at != 0 && mask->nodes[at].byte != byte)
        at = mask->nodes[at].sibling;
    return at;
}

static uint32_t child_make(struct mask *mask, uint32_t state, uint8_t byte)
{
    uint32_t made = node_add(mask, mask->nodes[state].depth + 1, byte);
    if (state == 0) {
        mask->first[byte] = made;
    } else {
        mask->nodes[made].sibling = mask->nodes[state].child;
        mask->nodes[state].child = made;
    }
    return made;
}

void mask_add(struct mask *mask, struct str text)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    uint32_t state = 0;
    if (text.len < WINDOW)
        return;
    for (size_t i = 0; i < text.len; i++) {
        uint32_t next = child_of(mask, state, bytes[i]);
        state = next != 0 ? next : child_make(mask, state, bytes[i]);
    }
    mask->nodes[state].match = (uint32_t)text.len;
    for (unsigned i = 0; i < WINDOW - 1; i++) {
        uint8_t *shift = &mask->shift[pair_hash(bytes[i], bytes[i + 1])];
        *shift = MIN(*shift, (uint8_t)(WINDOW - 2 - i));
    }
}

static inline uint32_t step(const struct mask *mask, uint32_t state, uint8_t byte)
{
    uint32_t next;
    while ((next = child_of(mask, state, byte)) == 0 && state != 0)
        state = mask->nodes[state].fail;
    return next;
}

static void link_node(struct mask *mask, uint32_t parent, uint32_t at)
{
    struct node *node = &mask->nodes[at];
    node->fail = parent == 0 ? 0 : step(mask, mask->nodes[parent].fail, node->byte);
    if (node->match == 0) // else its own is the longest
        node->match = mask->nodes[node->fail].match;
}

// Breadth first: what a state fails to is shorter, and so is done.
void mask_seal(struct mask *mask)
{
    CLEANUP(free_ptr) uint32_t *queue = xmalloc(mask->count * sizeof(*queue));
    size_t head = 0, tail = 0;
    for (unsigned byte = 0; byte < BYTES; byte++) {
        if (mask->first[byte] == 0)
            continue;
        link_node(mask, 0, mask->first[byte]);
        queue[tail++] = mask->first[byte];
    }
    while (head < tail) {
        uint32_t parent = queue[head++];
        for (uint32_t at = mask->nodes[parent].child; at != 0; at = mask->nodes[at].sibling) {
            link_node(mask, parent, at);
            queue[tail++] = at;
        }
    }
}

// Returns the first place from `i` on where a text may begin.
static size_t skip(const struct mask *mask, const uint8_t *bytes, size_t i, size_t len)
{
    while (i + WINDOW <= len) {
        uint8_t shift = mask->shift[pair_hash(bytes[i + WINDOW - 2], bytes[i + WINDOW - 1])];
        if (shift == 0 && mask->first[bytes[i]] != 0)
            return i;
        i += MAX(shift, (uint8_t)1);
    }
    while (i < len && mask->first[bytes[i]] == 0)
        i++;
    return i;
}

// --- A stream

void masker_init(struct masker *masker, const struct mask *mask)
{
    *masker = (struct masker){.mask = mask};
}

void masker_release(struct masker *masker)
{
    if (masker->held.data)
        explicit_bzero(masker->held.data, masker->held.cap);
    buf_release(&masker->held);
    free(masker->runs);
    *masker = (struct masker){0};
}

static void run_add(struct masker *masker, uint64_t start, uint64_t end)
{
    struct mask_run *runs = masker->runs;
    while (masker->run_count > masker->run_first && runs[masker->run_count - 1].end >= start) {
        masker->run_count--;
        start = MIN(start, runs[masker->run_count].start);
    }
    if (masker->run_count == masker->run_cap) {
        masker->run_cap = MAX(masker->run_cap * 2, (size_t)16);
        runs = masker->runs = xrealloc(runs, masker->run_cap * sizeof(*runs));
    }
    runs[masker->run_count++] = (struct mask_run){start, end};
}

struct feeding {
    struct masker *masker;
    const char *bytes; // those that are fed
    uint64_t begin;    // place of the first of them
    mask_emit *emit;
    void *arg;
};

// Gives on bytes of the stream as they are: first what was held, then of those that are fed.
static void emit_plain(const struct feeding *feeding, uint64_t from, uint64_t to)
{
    const struct masker *masker = feeding->masker;
    const struct buf *held = &masker->held;
    if (from < feeding->begin) {
        size_t behind = (size_t)(feeding->begin - from);
        size_t len = (size_t)(MIN(to, feeding->begin) - from);
        feeding->emit(feeding->arg, str_n(held->data + held->len - behind, len));
        from += len;
    }
    if (from < to)
        feeding->emit(feeding->arg, str_n(feeding->bytes + (from - feeding->begin), (size_t)(to - from)));
}

// Gives on what is decided: what belongs to an occurrence, and what lies before `open`, where the next may begin.
static void drain(const struct feeding *feeding, uint64_t open)
{
    struct masker *masker = feeding->masker;
    for (;;) {
        const struct mask_run *run = masker->run_first < masker->run_count ? &masker->runs[masker->run_first] : NULL;
        if (run && run->start <= masker->emitted) {
            if (!masker->masking)
                feeding->emit(feeding->arg, STR(MASK_MARK));
            masker->masking = true;
            masker->emitted = MAX(masker->emitted, run->end);
            masker->run_first++;
            continue;
        }
        uint64_t to = run ? MIN(run->start, open) : open;
        if (masker->emitted >= to)
            break;
        emit_plain(feeding, masker->emitted, to);
        masker->masking = false;
        masker->emitted = to;
    }
    if (masker->run_first == masker->run_count)
        masker->run_first = masker->run_count = 0;
}

// Keeps the bytes that are not decided.
static void hold(struct masker *masker, const struct feeding *feeding, size_t len)
{
    struct buf *held = &masker->held;
    uint64_t from = MAX(masker->emitted, feeding->begin);
    size_t old = masker->emitted < feeding->begin ? (size_t)(feeding->begin - masker->emitted) : 0;
    size_t gone = held->len - old;
    if (old == 0 || gone > HELD_MOVE)
        buf_consume(held, gone);
    if (from < masker->at)
        buf_append(held, feeding->bytes + (from - feeding->begin), len - (size_t)(from - feeding->begin));
}

static uint64_t open_place(const struct masker *masker)
{
    return masker->at - masker->mask->nodes[masker->state].depth;
}

void masker_feed(struct masker *masker, struct str bytes, mask_emit *emit, void *arg)
{
    const struct mask *mask = masker->mask;
    const uint8_t *data = (const uint8_t *)bytes.data;
    const struct feeding feeding = {masker, bytes.data, masker->at, emit, arg};
    uint32_t state = masker->state;
    for (size_t i = 0; i < bytes.len; i++) {
        if (state == 0)
            i = skip(mask, data, i, bytes.len);
        if (i == bytes.len)
            break;
        state = step(mask, state, data[i]);
        uint32_t match = mask->nodes[state].match;
        if (match == 0)
            continue;
        uint64_t end = feeding.begin + i + 1;
        run_add(masker, end - match, end);
        if (masker->run_count - masker->run_first >= RUNS_DRAIN)
            drain(&feeding, end - mask->nodes[state].depth);
    }
    masker->state = state;
    masker->at += bytes.len;
    drain(&feeding, open_place(masker));
    hold(masker, &feeding, bytes.len);
}

void masker_end(struct masker *masker, mask_emit *emit, void *arg)
{
    const struct feeding feeding = {masker, NULL, masker->at, emit, arg};
    drain(&feeding, masker->at);
    hold(masker, &feeding, 0);
    masker->state = 0;
    masker->masking = false;
}

static void append(void *arg, struct str bytes)
{
    buf_append_str(arg, bytes);
}

void mask_text(const struct mask *mask, struct str text, struct buf *out)
{
    CLEANUP(masker_release) struct masker masker;
    masker_init(&masker, mask);
    masker_feed(&masker, text, append, out);
    masker_end(&masker, append, out);
}
