#include "source/cloudwatch/page.h"

#include "client/aws_credentials.h"
#include "client/signed.h"

static char *url_of(const struct cloudwatch_access *access)
{
    // As AWS has named its regions in China.
    const char *end = str_starts(str_of(access->region), STR("cn-")) ? ".cn" : "";
    return access->endpoint[0] ? xstrdup(access->endpoint)
                               : xasprintf("https://logs.%s.amazonaws.com%s/", access->region, end);
}

static bool is_region(struct str region)
{
    for (size_t i = 0; i < region.len; i++) {
        char c = region.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return region.len > 0 && region.len < 64;
}

int cloudwatch_access_check(const struct cloudwatch_access *access, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *url = url_of(access);
    const char *problem = NULL;
    if (!is_region(str_of(access->region)))
        problem = "cloudwatch_region must be a region of AWS, such as eu-central-1";
    else if (!client_fetch_allowed(url))
        problem = "cloudwatch_endpoint must be an https URL, or an http URL on loopback, without a user";
    else if (!cloudwatch_stream_valid(str_of(access->place.stream)))
        problem = "cloudwatch_log_stream must be " CLOUDWATCH_STREAM_MUST;
    if (problem)
        buf_append_text(ret_error, problem);
    return problem ? ERR_INVALID : 0;
}

static int read_page(const struct cloudwatch_access *access, const struct cloudwatch_ask *ask, struct str body,
                     struct buf *token, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf next = {0};
    struct cloudwatch *reader = cloudwatch_new();
    int err = cloudwatch_page_read(reader, &access->place, ask->execution_id, body, ask->reader, &next);
    cloudwatch_free(&reader);
    if (err == ERR_MALFORMED) {
        buf_append_text(ret_error, "what CloudWatch Logs answers is no page of events");
        return ERR_UNAVAILABLE; // something on the way may have cut it
    }
    if (err == 0 && next.len && str_eq(buf_str(&next), buf_str(token))) {
        buf_append_text(ret_error, "CloudWatch Logs names the same page as the next one");
        return ERR_WRONG_SERVER;
    }
    if (err) {
        buf_append_text(ret_error, "a page of CloudWatch Logs is larger than it may be");
        return err;
    }
    buf_reset(token);
    buf_append_str(token, buf_str(&next));
    return 0;
}

static int post(const struct cloudwatch_access *access, const struct cloudwatch_ask *ask, struct str token,
                struct client_answer *ret, struct buf *ret_error)
{
    static const char *const headers[] = {"Content-Type: application/x-amz-json-1.1",
                                          "X-Amz-Target: Logs_20140328.FilterLogEvents", NULL};
    CLEANUP(aws_credentials_release) struct aws_credentials credentials = {0};
    CLEANUP(buf_release) struct buf body = {0};
    CLEANUP(free_ptr) char *url = url_of(access);
    int err = aws_credentials_read(access->credentials_file, access->profile, &credentials, ret_error);
    if (err)
        return err;
    cloudwatch_filter_write(&access->place, ask->execution_id, token, &body);
    const struct client_signed request = {
        .fetch = {.url = url,
                  .ca_file = access->ca_file,
                  .body_max = CLOUDWATCH_PAGE_MAX,
                  .timeout_ms = ask->timeout_ms,
                  .abort = ask->abort},
        .headers = headers,
        .body = buf_str(&body),
        .region = access->region,
        .service = "logs",
        .key_id = buf_cstr(&credentials.key_id),
        .secret = buf_cstr(&credentials.secret),
        .session_token = buf_cstr(&credentials.session_token),
    };
    return client_send_signed(&request, ret, ret_error);
}

int cloudwatch_page_fetch(const struct cloudwatch_access *access, const struct cloudwatch_ask *ask, struct buf *token,
                          struct buf *ret_error)
{
    struct client_answer answer = {0};
    int err = post(access, ask, buf_str(token), &answer, ret_error);
    if (err)
        err = err == ERR_UNREACHABLE ? ERR_UNAVAILABLE : err;
    else if (answer.status != 200)
        err = cloudwatch_failure(answer.status, buf_str(&answer.body), ret_error);
    else
        err = read_page(access, ask, buf_str(&answer.body), token, ret_error);
    buf_release(&answer.body);
    return err;
}
