/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proxy: whom to believe about where a request came from. Pure.
 *
 * Only a proxy named in the configuration is believed; anybody else can write the same headers.
 * Thread: any.
 */

#pragma once

#include "base/base.h"

/* `address` is `network` or lies in it ("10.0.0.0/8", "fd00::/8", "192.168.1.2"). */
bool proxy_address_in(const char *address, const char *network);
/* A network that proxy_address_in() can read. */
bool proxy_network_is_valid(const char *network);

bool proxy_is_loopback(const char *address);

/* The last address of an X-Forwarded-For list that is not itself a trusted proxy. False if there is
 * none that can be read. */
bool proxy_forwarded_for(char *dst, size_t size, const char *list, const char *const *proxies,
                         size_t n_proxies);

/* "/x", "x/", "/x/y" become "/x/", "/x/y/". False for what is no path: then "/". */
bool proxy_base_path(char *dst, size_t size, const char *path);

/* A Host header means this machine and this port: localhost, 127.x, [::1], then ":port". A page of
 * a stranger's name that resolves to us does not. `usual` is the port that may be left out (80 or
 * 443). */
bool proxy_host_is_local(const char *host, uint16_t port, uint16_t usual);

/* The head bears a mark that proxies leave: a forwarding header, or HTTP/1.0, which no browser has
 * spoken for long and nginx speaks unless told otherwise. No mark proves nothing. */
struct http_head;
bool proxy_is_marked(const struct http_head *h);
