/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/test.h"
#include "wire/rtsp_codec.h"

#include <errno.h>
#include <string.h>

static int parse(const char *text, struct rtsp_request *q)
{
	return rtsp_parse((const uint8_t *)text, strlen(text), q);
}

TEST(rtsp_request_is_cut_where_it_ends)
{
	static const char two[] = "SETUP rtsp://p:322/a/track1 RTSP/1.0\r\nCSeq: 7\r\n"
				  "Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n\r\nPLAY";
	struct rtsp_request q;
	char channels[8];

	CHECK_INT(parse(two, &q), sizeof(two) - 1 - 4);
	CHECK_STR(q.method, "SETUP");
	CHECK_STR(q.uri, "rtsp://p:322/a/track1");
	CHECK_INT(q.cseq, 7);
	CHECK(rtsp_param(q.transport, "interleaved", channels, sizeof(channels)));
	CHECK_STR(channels, "2-3");
	CHECK(!rtsp_param(q.transport, "leaved", channels, sizeof(channels)));
	CHECK_INT(parse("PLAY", &q), 0);
	CHECK_INT(parse("PLAY x RTSP/1.0\r\nContent-Length: 3\r\n\r\nab", &q), 0);
	CHECK_INT(parse("PLAY x HTTP/1.1\r\n\r\n", &q), -EBADMSG);
	CHECK_INT(parse("PLAY x RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n", &q), -EBADMSG);
	CHECK_INT(rtsp_parse((const uint8_t *)"$\0\0\2ab", 6, &q), 6);
	CHECK(q.is_data);
	CHECK_INT(rtsp_parse((const uint8_t *)"$\0\0\2a", 5, &q), 0);
}

/* The example of RFC 2617, 3.5, without qop. */
TEST(rtsp_digest_is_that_of_the_password)
{
	const struct rtsp_login login = { "Mufasa", "Circle Of Life", "testrealm@host.com",
		                          "dcd98b7102dd2f0e8b11d0f600bfb0c093" };
	struct rtsp_login wrong = login;
	struct rtsp_request q;

	CHECK(parse("GET /dir/index.html RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Digest "
	            "username=\"Mufasa\", realm=\"testrealm@host.com\", "
	            "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", "
	            "response=\"670fd8c2df070c60b045671b8b24ff02\"\r\n\r\n",
	            &q) > 0);
	CHECK(rtsp_digest_is_right(&q, &login));
	wrong.password = "Circle of Life";
	CHECK(!rtsp_digest_is_right(&q, &wrong));
	wrong = login;
	wrong.nonce = "another";
	CHECK(!rtsp_digest_is_right(&q, &wrong));
	q.authorization[0] = '\0';
	CHECK(!rtsp_digest_is_right(&q, &login));
}
