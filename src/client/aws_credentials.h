// Credentials of AWS: from a file as its command line keeps them, else from the environment (AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN). Any thread.
#pragma once

#include "util/buf.h"
#include "util/error.h"

struct aws_credentials { // zeroed; secrets: they are wiped
    struct buf key_id, secret, session_token;
};
void aws_credentials_release(struct aws_credentials *credentials);
// Reads the section `profile` ("": default) of the file; of a `path` that is "" the environment. Returns 0; ERR_INVALID
// with what is wrong, without any secret, in *ret_error.
int aws_credentials_read(const char *path, const char *profile, struct aws_credentials *ret, struct buf *ret_error);
// The same of the file's text. Pure.
int aws_credentials_parse(struct str text, const char *profile, struct aws_credentials *ret, struct buf *ret_error);
