/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lent: libavformat's network, which is one connection that the daemon has lent us.
 *
 * libavformat opens its own sockets and can be given none; so this program has socket(),
 * connect() and getaddrinfo() of its own, which the dynamic linker finds before libc's. The first
 * socket asked for is the lent one, which is connected already; there is no second one. Real
 * sockets are forbidden by the sandbox besides (wire/relay is the other end).
 *
 * Thread: before libavformat is used; then its.
 */

#pragma once

/* `fd` is the connection. */
void lent_give(int fd);
