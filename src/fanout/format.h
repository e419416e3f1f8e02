// The formats in which a log can be read. One table says what a client asks for and how each record is encoded.
#pragma once

#include "model/record.h"
#include "util/buf.h"

enum follow_format {
    FORMAT_WEBSOCKET, // complete unmasked text frames, one for each record
    FORMAT_SSE,
    FORMAT_NDJSON,
    FORMAT_CSV,
    FORMAT_CSV_FIELDS,   // with a column for each structured field
    FORMAT_TEXT,         // output only; UTF-8, ill-formed parts become U+FFFD
    FORMAT_RAW,          // output only; the exact bytes
    FORMAT_LOG_API,      // SSE of the workflow log API, for what was there when the reader came,
    FORMAT_LOG_API_LIVE, // and for what has come since
    FORMAT_RUN,          // SSE of a workflow run: trace events, and lines of its log
    FORMAT_COUNT,
    FORMAT_CHUNK = FORMAT_COUNT, // frames of whole chunks, not cached; see encode_chunk_frame
};

enum format_ability {
    // It is made of single records, so any of them may be left out; other formats are made of whole chunks.
    FORMAT_CAN_FILTER = 1,
    FORMAT_OUTPUT_ONLY = 2, // without events
    FORMAT_UTF8 = 4,        // bytes that are not UTF-8 are replaced
    FORMAT_TYPED = 8,       // each record says its type
    FORMAT_GAPS = 16,       // between records it can tell gaps,
    FORMAT_STATES = 32,     // states of the runner,
    FORMAT_COMPLETE = 64,   // the end,
    FORMAT_POSITIONS = 128, // and positions
    FORMAT_COMPRESSIBLE = 256,
};

// Encodes one chunk in a format.
struct format_encoder {
    struct buf out, scratch;
    struct str execution_id;
    struct record_encoder json;
};

struct format {
    const char *name;         // what a client asks for; NULL: it has a route of its own
    const char *media_type;   // in the header Accept; NULL: none
    const char *content_type; // of the answer
    const char *head;         // text before all records, or NULL
    unsigned can;             // bits of enum format_ability
    // NULL: the format is made of whole chunks.
    void (*encode)(struct format_encoder *encoder, const struct record *record, uint64_t sequence);
    // Writes the JSON of something that is told between records, for a plain stream. NULL: the sink does it, or nothing
    // is told.
    void (*tell)(struct buf *out, struct str json, uint64_t next_sequence);
    enum follow_format live;             // what comes while it follows is in this format; 0: in the same one
    void (*keep_alive)(struct buf *out); // writes something without meaning; NULL: the format has no such thing
};

const struct format *format_of(enum follow_format format);
// Finds a format by its name or media type, in any case. Returns false if clients cannot ask for it.
bool format_by_name(struct str name, enum follow_format *ret);
bool format_by_media_type(struct str media_type, enum follow_format *ret);

// A frame of a chunk: u64 LE sequence number, u32 LE length, bytes. What is told between records (`gap`, and `complete`
// at the end of a followed stream) has 0xFFFFFFFF in place of the length, then the length, and the JSON.
#define CHUNK_FRAME_HEADER  12
#define CHUNK_FRAME_MESSAGE 0xFFFFFFFFu
