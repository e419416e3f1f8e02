// Reads the XML that S3 answers with: elements and their texts. Not XML as a whole: attributes are passed over, there
// is no document type, the only entities are the five of XML and those of characters. Pure.
//
// Documented by AWS in the "Amazon S3 API Reference".
#pragma once

#include "util/buf.h"
#include "util/error.h"

#define S3_XML_DEPTH_MAX 8
#define S3_XML_NAME_MAX  64
#define S3_XML_TEXT_MAX  ((size_t)4096) // of one element, decoded

struct s3_xml_reader {
    // An element has ended. `names`: from the root's to its own; `depth`: how many. `text`: its own, behind its last
    // child. Both are gone afterwards.
    void (*element)(void *arg, const struct str *names, unsigned depth, struct str text);
    void *arg;
};
// Returns 0, or ERR_MALFORMED for whatever is not whole, or beyond the limits. Elements before were handed over by
// then.
int s3_xml_read(struct str document, const struct s3_xml_reader *reader);
