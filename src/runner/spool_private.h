// The inside of a spool. Only for the files spool*.c.
#pragma once

#include "runner/spool.h"

#include <pthread.h>

#define SPOOL_FILE         "spool"
#define SPOOL_DATA_START   4096u // the head has a block of its own
#define FRAME_HEAD_LEN     24u
#define FRAME_TAIL_LEN     8u
#define FRAME_OVERHEAD     (FRAME_HEAD_LEN + FRAME_TAIL_LEN)
#define SPOOL_MARK_STEP    (64u * 1024) // file bytes between two entries of the index
#define SPOOL_CACHE_CHUNKS 4096u

struct frame {
    uint32_t len, count;
    uint64_t first;
    uint64_t digest; // of all records up to and including this frame's
};

// Where a frame begins. The index has one for every SPOOL_MARK_STEP bytes, so that its size is bounded.
struct mark {
    uint64_t counter, offset;
    uint64_t digest; // of all records before it
};

struct cached {
    uint64_t first;
    struct chunk *chunk;
};

struct spool {
    char *dir;
    int fd;
    bool uncached; // nobody reads what is written
    bool attached; // another process writes it, and has the lock
    uint64_t bytes_max, mark_step;
    pthread_mutex_t trimming; // taken before `lock`; only one trim at a time
    pthread_mutex_t lock;     // protects everything below
    uint64_t notice_from;
    struct mark start; // the first frame that is held
    struct mark end;   // where the next frame goes
    uint64_t synced, acked;
    uint64_t generation; // number of the head
    bool tight;          // an append found no room
    bool no_holes;       // the file system cannot make holes
    int failed;          // a final error, or 0
    struct mark *marks;  // ascending; those before `start` are dropped
    size_t mark_count, mark_capacity;
    struct mark hint;                // the frame after the one that was read last
    struct cached *cache;            // a ring of SPOOL_CACHE_CHUNKS; NULL: nothing was written
    uint64_t cache_head, cache_tail; // tail - head entries, at index % SPOOL_CACHE_CHUNKS
    size_t cache_bytes;
};

void frame_head_encode(const struct frame *frame, uint8_t out[FRAME_HEAD_LEN]);
void frame_head_decode(const uint8_t head[FRAME_HEAD_LEN], struct frame *ret);
uint64_t frame_checksum(const uint8_t head[FRAME_HEAD_LEN], const void *chunk, size_t len);

struct spool *spool_alloc(const struct spool_options *options);
void spool_cache_add(struct spool *spool, uint64_t first, const struct chunk *chunk); // with the lock

// Reads up to `len` bytes; fewer only at the end of the file.
ssize_t spool_pread(int fd, void *out, size_t len, uint64_t offset);
// True if a whole frame with the expected counter begins at `data`.
bool frame_check(const uint8_t *data, size_t len, uint64_t first, struct frame *ret);
// Takes over the start that the newest whole slot names, if it is a newer one. With the lock, where there are threads.
int spool_head_read(struct spool *spool);
// It is durable when the call returns.
int spool_head_write(int fd, uint64_t generation, const struct mark *start);
// Finds the last complete frame, and fills start, end and marks. *ret_size is the size of the file.
int spool_scan(struct spool *spool, uint64_t *ret_size);
// Remembers the position if the last mark is far enough away. Call with the lock.
void spool_mark(struct spool *spool, const struct mark *at);
