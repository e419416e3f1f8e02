// One table of errors. Each has a negative code for functions, a code word and a status for HTTP, and an exit code for
// the command line.
#pragma once

#include "util/attrs.h"

// X(name, code word on the wire, HTTP status, CLI exit code, text). The code words are part of the contract.
#define RUNNEL_ERRORS(X)                                                                                     \
    X(ERR_INTERNAL, "internal", 500, 1, "internal error")                                                    \
    X(ERR_NOMEM, "no_memory", 500, 1, "out of memory")                                                       \
    X(ERR_IO, "io", 500, 1, "input/output error")                                                            \
    X(ERR_MALFORMED, "malformed", 400, 2, "the request is malformed")                                        \
    X(ERR_BAD_CURSOR, "bad_cursor", 400, 2, "the position is malformed or below the first one")              \
    X(ERR_UNAUTHORIZED, "unauthorized", 401, 4, "a valid credential is required")                            \
    X(ERR_TOKEN_EXPIRED, "token_expired", 401, 4, "the credential has run out; come back with a new one")    \
    X(ERR_FORBIDDEN, "forbidden", 403, 4, "the role of this credential does not allow this")                 \
    X(ERR_SUSPENDED, "account_suspended", 403, 4, "the account is suspended until its operator resumes it")  \
    X(ERR_NOT_FOUND, "not_found", 404, 3, "no such thing")                                                   \
    X(ERR_NO_ROUTE, "no_such_route", 404, 5, "there is no Runnel at this path")                              \
    X(ERR_METHOD, "method_not_allowed", 405, 1, "this method is not allowed here")                           \
    X(ERR_TIMEOUT, "timeout", 408, 1, "the request took too long to arrive")                                 \
    X(ERR_CONFLICT, "conflict", 409, 1, "this differs from what is already there")                           \
    X(ERR_SEALED, "sealed", 409, 1, "the log is sealed; nothing can be added to it")                         \
    X(ERR_HELD, "held", 409, 1, "another runner holds this execution")                                       \
    X(ERR_FENCED, "fenced", 409, 1, "this execution is another runner's now, or was cancelled while lost")   \
    X(ERR_GAP, "gap", 409, 1, "records are missing before these")                                            \
    X(ERR_BAD_TRANSITION, "bad_transition", 409, 1, "the status table does not allow this change")           \
    X(ERR_DIGEST, "digest_mismatch", 409, 1, "the digest differs from that of the stored records")           \
    X(ERR_LAST_OPERATOR, "last_operator", 409, 1,                                                            \
      "no operator key that lasts as long would be left; make another one first")                            \
    X(ERR_EXPIRED, "expired", 410, 3, "it was purged; its identifier is never used again")                   \
    X(ERR_TOO_LARGE, "too_large", 413, 1, "it is larger than the limit")                                     \
    X(ERR_TOO_LONG, "too_long", 413, 1, "a message is longer than the limit")                                \
    X(ERR_URI_TOO_LONG, "uri_too_long", 414, 1, "the URL is longer than the limit")                          \
    X(ERR_MEDIA_TYPE, "unsupported_media_type", 415, 1, "this content type is not accepted here")            \
    X(ERR_RANGE, "range", 416, 1, "the range cannot be served")                                              \
    X(ERR_INVALID, "invalid", 422, 2, "some fields are invalid")                                             \
    X(ERR_IDEMPOTENCY, "idempotency_mismatch", 422, 1, "this Idempotency-Key was used with another request") \
    X(ERR_UPGRADE, "upgrade_required", 426, 1, "this is a WebSocket of version 13")                          \
    X(ERR_RATE, "too_many_requests", 429, 1, "too many requests; try again later")                           \
    X(ERR_HEADERS_TOO_LARGE, "headers_too_large", 431, 1, "the headers are larger than the limit")           \
    X(ERR_NOT_IMPLEMENTED, "not_implemented", 501, 1, "this method is not known here")                       \
    X(ERR_UNSUPPORTED, "unsupported", 501, 1, "this server's store cannot do that")                          \
    X(ERR_UNAVAILABLE, "unavailable", 503, 1, "the store cannot serve now; try again later")                 \
    X(ERR_COLD, "cold_unavailable", 503, 1,                                                                  \
      "these records lie in the storage of cold logs (S3), which cannot be read now; try again later")       \
    X(ERR_OVERLOADED, "overloaded", 503, 1, "as much is held as may be; try again in a moment")              \
    X(ERR_SHUTTING_DOWN, "shutting_down", 503, 1, "the server is shutting down; try again")                  \
    X(ERR_NODE_FENCED, "node_fenced", 503, 1,                                                                \
      "this server was away from the store for too long, and starts anew; try again")                        \
    X(ERR_UNREACHABLE, "unreachable", 503, 5, "the server cannot be reached")                                \
    X(ERR_WRONG_SERVER, "wrong_server", 502, 5, "what answers at this URL cannot be talked to")              \
    X(ERR_STORE_FULL, "store_full", 507, 1, "the store is full; free space and try again")                   \
    X(ERR_NO_FILES, "too_many_files", 503, 1,                                                                \
      "no more files can be opened; raise the limit of open files (ulimit -n, LimitNOFILE=)")                \
    X(ERR_CORRUPT, "corrupt", 500, 1, "stored or received data is corrupt")                                  \
    X(ERR_UNPROVEN, "unproven", 502, 1, "the server does not prove that it has all of the log")              \
    X(ERR_TOO_NEW, "too_new", 500, 1, "it was written by a newer program; update this one")                  \
    X(ERR_CANCELED, "canceled", 499, 130, "canceled")                                                        \
    X(ERR_CLOSED, "closed", 500, 1, "the connection was closed")

enum error {
    ERR_OK = 0,
    ERR_FIRST_ = -10000, // below the codes of errno and of libuv
#define ERROR_ENUM(name, word, http, exit_code, text) name,
    RUNNEL_ERRORS(ERROR_ENUM)
#undef ERROR_ENUM
        ERR_END_,
};

// These functions take any negative code and treat an unknown one as ERR_INTERNAL. The returned strings are static. The
// text of -errno is the system's.
const char *error_word(int err);
const char *error_text(int err);
int error_http_status(int err);
int error_exit_code(int err);
// Returns the error of a code word, or ERR_INTERNAL if the word is unknown. For clients.
int error_from_word(const char *word, size_t len);
