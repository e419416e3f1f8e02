// What comes of a body: counted, decoded, kept or handed on.
#include "http/http_private.h"

#define DECODE_STEP  ((size_t)128 * 1024) // decoded at once; a few steps may follow within one turn of the loop
#define DECODE_LEAST ((size_t)4 * 1024)
#define DECODE_RATIO 8 // to which the room for a step is fitted

int http_take_body(struct http_request *request, const void *data, size_t len)
{
    if (len > request->body_max - request->body_len)
        return ERR_TOO_LARGE;
    request->body_len += len;
    if (request->body_handler) {
        request->body_handler->data(request->body_owner, data, len);
        return 0;
    }
    buf_append(request->decoder ? &request->coded : &request->body, data, len);
    return request->decoder && !request->decoding ? http_decode_body(request) : 0;
}

int http_decode_body(struct http_request *request)
{
    struct http_conn *conn = request->conn;
    struct str in = buf_str(&request->coded);
    size_t room = MIN(DECODE_STEP, MAX(DECODE_LEAST, in.len * DECODE_RATIO));
    room = MIN(room, request->body_max + 1 - request->body.len); // a byte more shows that there is more than allowed
    int result = http_decoder_step(request->decoder, &in, room, &request->body);
    if (result >= 0 && request->body.len > request->body_max)
        result = ERR_TOO_LARGE;
    request->undecodable = result == ERR_MALFORMED;
    if (result < 0)
        return result;
    buf_consume(&request->coded, request->coded.len - in.len);
    request->decoding = request->body_paused = result == DECODER_MORE;
    conn->since_ms = loop_now_ms(conn->server->loop); // meanwhile it is not the peer that makes no progress
    if (request->decoding)
        loop_defer(conn->server->loop, &conn->feed);
    return 0;
}

bool http_body_cut_off(struct http_request *request)
{
    request->undecodable = request->decoder && !http_decoder_ended(request->decoder);
    return request->undecodable;
}
