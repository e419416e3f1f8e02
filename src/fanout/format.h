// What a log can be read as: one table, from what a client asks for to what each record becomes.
#pragma once

#include "model/record.h"
#include "util/buf.h"

enum follow_format {
    FORMAT_WEBSOCKET, // whole unmasked text frames, one a record
    FORMAT_SSE,
    FORMAT_NDJSON,
    FORMAT_CSV,
    FORMAT_TEXT, // output only; UTF-8, ill-formed parts shown as U+FFFD
    FORMAT_RAW,  // output only; exact bytes
    FORMAT_COUNT,
    FORMAT_CHUNK = FORMAT_COUNT, // not cached: frames of whole chunks, see encode_chunk_frame
};

enum format_ability {
    FORMAT_CAN_FILTER = 1,  // made of records, so that any of them may be left out; others are made of whole chunks
    FORMAT_OUTPUT_ONLY = 2, // without events
    FORMAT_UTF8 = 4,        // bytes that are none are replaced
    FORMAT_TYPED = 8,       // each record says that it is one
    FORMAT_GAPS = 16,       // what can be told between records: gaps,
    FORMAT_STATES = 32,     // what becomes of the runner,
    FORMAT_COMPLETE = 64,   // the end,
    FORMAT_POSITIONS = 128, // and positions
    FORMAT_COMPRESSIBLE = 256,
};

// Of one chunk on its way into a format.
struct format_encoder {
    struct buf out, scratch;
    struct str execution_id;
    struct record_encoder json;
};

struct format {
    const char *name;         // by which a client asks for it; NULL: a route of its own has it
    const char *media_type;   // of the header Accept; NULL: none
    const char *content_type; // of the answer
    const char *head;         // what precedes all records, or NULL
    unsigned can;             // enum format_ability
    // NULL: made of whole chunks.
    void (*encode)(struct format_encoder *encoder, const struct record *record, uint64_t sequence);
    // How a plain stream holds JSON of what is told between records; NULL: its sink knows, or it tells nothing.
    void (*tell)(struct buf *out, struct str json, uint64_t next_sequence);
    void (*keep_alive)(struct buf *out); // what says nothing; NULL: there is no such thing
};

const struct format *format_of(enum follow_format format);
// By its name, or by its media type, in any case. False if nobody may ask for such a one.
bool format_by_name(struct str name, enum follow_format *ret);
bool format_by_media_type(struct str media_type, enum follow_format *ret);

// A frame of chunks: u64 LE sequence number, u32 LE length, bytes. At the end of a followed stream the length stands
// behind 0xFFFFFFFF, and the bytes are JSON of `complete`.
#define CHUNK_FRAME_HEADER   12
#define CHUNK_FRAME_COMPLETE 0xFFFFFFFFu
