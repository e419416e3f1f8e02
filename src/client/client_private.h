// What the files of this room share: the parts for HTTP and for WebSocket.
#pragma once

#include "client/client.h"

#include <curl/curl.h>

#define CLIENT_BODY_MAX           (64u * 1024 * 1024)
#define CLIENT_CONNECT_TIMEOUT_MS 10000

// Makes a handle with everything that requests and sockets have in common: address, TLS, time limits, no signals.
// Returns NULL if curl cannot be started.
CURL *client_handle_new(const struct client_options *options);
// The same for a handle that was used before: all else of it is reset, and its connections stay open.
void client_handle_again(CURL *handle, const struct client_options *options);
// client_handle_listen says where curl writes what went wrong. The function after it returns the error of a transfer
// that brought no answer, with the cause in response->cause.
void client_handle_listen(CURL *handle, char detail[CURL_ERROR_SIZE]);
int client_handle_failed(CURL *handle, CURLcode code, const struct client_options *options, const char *detail,
                         struct client_response *response);
// True if the redirect must be followed; *ret is the URL of the server to ask instead.
bool client_redirected(const struct client_response *response, const char *url, const char *path_and_query, char **ret);
// Reads one header line ("Name: value", with or without its line end) into the response.
void client_response_header(struct client_response *response, struct str line);
// True if `text` may be in a header: printable ASCII, no line ends.
bool client_header_safe(const char *text);
