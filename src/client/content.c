#include "client/content.h"

#include "net/digest.h"
#include "util/file.h"
#include "util/id.h"

#include <ctype.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE     ((size_t)256 * 1024)
#define SMALL         ((uint64_t)64 * 1024) // so little is sent without asking first whether it is there
#define STEPS_MAX     1000                  // answers that want more
#define STALLS_MAX    3                     // of them, in a row, without any more of it being there
#define FETCH_IDLE_MS 60000
#define BLOBS_PATH    "/api/v1/blobs/"

bool content_hash_valid(struct str hash)
{
    for (size_t i = 0; i < hash.len; i++) {
        if (!((hash.data[i] >= '0' && hash.data[i] <= '9') || (hash.data[i] >= 'a' && hash.data[i] <= 'f')))
            return false;
    }
    return hash.len == CONTENT_HASH_LEN;
}

// --- Hashing

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_state(const struct stat *now, const struct stat *before)
{
    return now->st_size == before->st_size && same_time(&now->st_mtim, &before->st_mtim) &&
           same_time(&now->st_ctim, &before->st_ctim);
}

bool content_unchanged(int fd, const struct stat *before)
{
    struct stat now;
    return fstat(fd, &now) == 0 && same_state(&now, before);
}

bool content_same_file(const char *path, const struct stat *before)
{
    struct stat now;
    return stat(path, &now) == 0 && now.st_ino == before->st_ino && now.st_dev == before->st_dev &&
           same_state(&now, before);
}

// Adds the first `size` bytes of a file to the hash. Returns ERR_CONFLICT if it has fewer.
static int hash_bytes(int fd, uint64_t size, const atomic_bool *abort, struct sha256_stream *hash)
{
    CLEANUP(free_ptr) char *data = xmalloc(READ_SIZE);
    for (uint64_t at = 0; at < size;) {
        ssize_t got = pread(fd, data, MIN(READ_SIZE, size - at), (off_t)at);
        if (abort && atomic_load(abort))
            return ERR_CANCELED;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : ERR_CONFLICT;
        sha256_add(hash, data, (size_t)got);
        at += (uint64_t)got;
    }
    return 0;
}

int content_of_file(int fd, const atomic_bool *abort, struct content *ret)
{
    CLEANUP(sha256_free) struct sha256_stream *hash = sha256_begin();
    uint8_t digest[32];
    struct stat before;
    if (fstat(fd, &before) < 0)
        return -errno;
    int err = hash_bytes(fd, (uint64_t)before.st_size, abort, hash);
    if (err < 0)
        return err;
    if (!content_unchanged(fd, &before))
        return ERR_CONFLICT;
    sha256_end(&hash, digest);
    hex_encode(digest, sizeof(digest), ret->hash);
    ret->size = (uint64_t)before.st_size;
    return 0;
}

// --- To the server

struct sending {
    struct client *client;
    struct client_source source; // from: what the server has already
    char path[sizeof(BLOBS_PATH) + CONTENT_HASH_LEN];
    struct client_response response;
};

static void sending_release(struct sending *sending)
{
    client_response_release(&sending->response);
}

static int failed(struct client_response *response, int err, struct buf *ret_text)
{
    if (err < 0)
        buf_append_text(ret_text, client_cause(response, err));
    else
        err = client_response_error(response, ret_text);
    return err < 0 ? err : ERR_MALFORMED; // an answer that should not be
}

// Sets *ret_there if the server has all of it.
static int look(struct sending *sending, bool *ret_there, struct buf *ret_text)
{
    struct client_response *response = &sending->response;
    int err = client_request(sending->client, "HEAD", sending->path, str_n(NULL, 0), NULL, response);
    *ret_there = err == 0 && response->status == 200;
    bool wanted = err == 0 && response->status == 404 && response->incarnation[0];
    if (!*ret_there && !wanted)
        return failed(response, err, ret_text);
    sending->source.from = wanted ? response->upload_offset : 0;
    return 0;
}

static int put(struct sending *sending)
{
    const struct client_source *source = &sending->source;
    CLEANUP(free_ptr)
    char *range = source->from > 0 ? xasprintf("Content-Range: bytes %llu-%llu/%llu", (unsigned long long)source->from,
                                               (unsigned long long)source->to - 1, (unsigned long long)source->to)
                                   : NULL;
    return client_upload(sending->client, "PUT", sending->path, source, range, &sending->response);
}

// Sends what is missing, once. 0: it is whole now. ERR_RANGE: more is wanted, from source.from on.
static int send_rest(struct sending *sending, struct buf *ret_text)
{
    struct client_response *response = &sending->response;
    int err = put(sending);
    if (err == 0 && (response->status == 200 || response->status == 201))
        return 0;
    if (err == ERR_CORRUPT)
        return ERR_CONFLICT;
    if (err == 0 && (response->status == 202 || (response->status == 409 && response->has_upload_offset))) {
        sending->source.from = response->upload_offset;
        return sending->source.from < sending->source.to ? ERR_RANGE : ERR_MALFORMED;
    }
    int known = failed(response, err, ret_text);
    return known == ERR_DIGEST || (known == ERR_INVALID && response->status == 422) ? ERR_CONFLICT : known;
}

int content_send(struct client *client, int fd, const struct content *content, atomic_ullong *moved,
                 struct buf *ret_text)
{
    CLEANUP(sending_release)
    struct sending sending = {.client = client, .source = {.fd = fd, .to = content->size, .moved = moved}};
    bool there = false;
    int err = 0;
    snprintf(sending.path, sizeof(sending.path), BLOBS_PATH "%s", content->hash);
    if (content->size > SMALL)
        err = look(&sending, &there, ret_text);
    if (err < 0 || there)
        return err;
    for (unsigned step = 0, stalls = 0; step < STEPS_MAX && stalls < STALLS_MAX; step++) {
        uint64_t before = sending.source.from;
        err = send_rest(&sending, ret_text);
        if (err != ERR_RANGE)
            return err;
        stalls = sending.source.from > before ? 0 : stalls + 1;
    }
    buf_append_text(ret_text, "the server takes no more of it");
    return ERR_UNAVAILABLE;
}

// --- From the server

struct fetching {
    int fd, err;
    bool begun; // bytes have come
    uint64_t at, size;
    struct sha256_stream *hash;
    const struct client_response *response;
};

static void fetching_release(struct fetching *fetching)
{
    sha256_free(&fetching->hash);
}

static int start_anew(struct fetching *fetching)
{
    sha256_free(&fetching->hash);
    fetching->hash = sha256_begin();
    fetching->at = 0;
    return ftruncate(fetching->fd, 0) < 0 || lseek(fetching->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

static bool take_bytes(void *arg, struct str bytes)
{
    struct fetching *fetching = arg;
    if (!fetching->begun && fetching->at > 0 && fetching->response->status != 206)
        fetching->err = start_anew(fetching); // all of it comes, and not the rest
    fetching->begun = true;
    if (fetching->err == 0 && bytes.len > fetching->size - fetching->at)
        fetching->err = ERR_CORRUPT;
    if (fetching->err == 0)
        fetching->err = file_write_full(fetching->fd, bytes.data, bytes.len);
    if (fetching->err < 0)
        return false;
    sha256_add(fetching->hash, bytes.data, bytes.len);
    fetching->at += bytes.len;
    return true;
}

// What is there of it from an earlier attempt counts.
static int begin_fetch(struct fetching *fetching)
{
    struct stat info;
    fetching->hash = sha256_begin();
    if (fstat(fetching->fd, &info) < 0)
        return -errno;
    if ((uint64_t)info.st_size > fetching->size)
        return start_anew(fetching);
    fetching->at = (uint64_t)info.st_size;
    if (hash_bytes(fetching->fd, fetching->at, NULL, fetching->hash) < 0)
        return start_anew(fetching);
    return lseek(fetching->fd, (off_t)fetching->at, SEEK_SET) < 0 ? -errno : 0;
}

static int fetch_rest(struct client *client, const char *path, struct fetching *fetching, struct buf *ret_text)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(free_ptr)
    char *range = fetching->at > 0 ? xasprintf("Range: bytes=%llu-", (unsigned long long)fetching->at) : NULL;
    fetching->response = &response;
    int err = client_stream(client, path, range, take_bytes, fetching, FETCH_IDLE_MS, &response);
    if (fetching->err < 0) {
        buf_append_text(ret_text, error_text(fetching->err));
        return fetching->err;
    }
    if (err < 0 || response.status < 200 || response.status >= 300)
        return failed(&response, err, ret_text);
    return 0;
}

int content_fetch(struct client *client, const char *path, int fd, const struct content *content, struct buf *ret_text)
{
    CLEANUP(fetching_release) struct fetching fetching = {.fd = fd, .size = content->size};
    uint8_t digest[32];
    char hash[CONTENT_HASH_LEN + 1];
    int err = begin_fetch(&fetching);
    if (err == 0 && (fetching.at < fetching.size || fetching.size == 0))
        err = fetch_rest(client, path, &fetching, ret_text);
    if (err < 0)
        return err;
    if (fetching.at < fetching.size) {
        buf_append_text(ret_text, "it ended early");
        return ERR_CLOSED;
    }
    sha256_end(&fetching.hash, digest);
    hex_encode(digest, sizeof(digest), hash);
    if (strcmp(hash, content->hash) == 0)
        return 0;
    buf_append_text(ret_text, "what came is not what its hash says");
    return ftruncate(fd, 0) < 0 ? -errno : ERR_CORRUPT;
}

bool content_may_retry(int err)
{
    static const int errors[] = {
        ERR_UNREACHABLE,   ERR_CANCELED,    ERR_CLOSED,   ERR_TIMEOUT,    ERR_RATE,     ERR_UNAVAILABLE, ERR_OVERLOADED,
        ERR_SHUTTING_DOWN, ERR_NODE_FENCED, ERR_NO_FILES, ERR_STORE_FULL, ERR_INTERNAL, ERR_IO,
    };
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        if (err == errors[i])
            return true;
    }
    return false;
}

void content_append_name(struct buf *out, const char *name)
{
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        if (c < 0x80 && (isalnum(c) || strchr("-._~/", c)))
            buf_append_byte(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}
