/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "share/steer.h"

#include <stdint.h>

#define STUN_HEADER  20
#define STUN_COOKIE  0x2112a442u
#define STUN_BINDING 0x0001
#define STUN_CLASSES 0x0110 /* the two bits that tell requests, indications and answers apart */

#define UDP_HEADER   8
#define IP4_SOURCE   12 /* and the ports behind a header without options */
#define IP4_PORTS    20
#define IP6_SOURCE   20 /* its last four bytes */
#define IP6_PORTS    40
#define GOLDEN_RATIO 0x9e3779b1u

struct writer {
	struct sock_filter *code;
	unsigned short len;
};

static void put(struct writer *writer, unsigned int what, uint32_t k)
{
	writer->code[writer->len++] = (struct sock_filter){.code = (uint16_t)what, .k = k};
}

static void put_alu(struct writer *writer, unsigned int what, uint32_t k)
{
	put(writer, BPF_ALU | BPF_K | what, k);
}

static void put_jump(struct writer *writer, unsigned int what, uint32_t k, uint8_t yes, uint8_t no)
{
	put(writer, BPF_JMP | BPF_K | what, k);
	writer->code[writer->len - 1].jt = yes;
	writer->code[writer->len - 1].jf = no;
}

/*
 * A Binding message whose length is right, as no other protocol's first datagrams are: header and
 * cookie of RFC 8489, section 5. `at` is where the payload begins.
 */
static void put_stun(struct writer *writer, uint32_t at, uint32_t verdict)
{
	put(writer, BPF_LD | BPF_W | BPF_LEN, 0);
	put_jump(writer, BPF_JGE, at + STUN_HEADER, 0, 11);
	put(writer, BPF_LD | BPF_H | BPF_ABS, at);
	put_alu(writer, BPF_AND, 0xffff & ~STUN_CLASSES);
	put_jump(writer, BPF_JEQ, STUN_BINDING, 0, 8);
	put(writer, BPF_LD | BPF_W | BPF_ABS, at + 4);
	put_jump(writer, BPF_JEQ, STUN_COOKIE, 0, 6);
	put(writer, BPF_LD | BPF_H | BPF_ABS, at + 2);
	put_alu(writer, BPF_ADD, at + STUN_HEADER);
	put(writer, BPF_MISC | BPF_TAX, 0);
	put(writer, BPF_LD | BPF_W | BPF_LEN, 0);
	put(writer, BPF_JMP | BPF_JEQ | BPF_X, 0);
	writer->code[writer->len - 1].jf = 1;
	put(writer, BPF_RET | BPF_K, verdict);
}

static void put_net(struct writer *writer, unsigned int size, int at)
{
	put(writer, BPF_LD | BPF_ABS | size, (uint32_t)(SKF_NET_OFF + at));
}

/* The sender's address and port decide, as they do without a program. */
static void put_flow(struct writer *writer, unsigned int workers)
{
	put_net(writer, BPF_B, 0);
	put_alu(writer, BPF_AND, 0xf0);
	put_jump(writer, BPF_JEQ, 0x40, 0, 4);
	put_net(writer, BPF_W, IP4_SOURCE);
	put(writer, BPF_MISC | BPF_TAX, 0);
	put_net(writer, BPF_W, IP4_PORTS);
	put(writer, BPF_JMP | BPF_JA, 3);
	put_net(writer, BPF_W, IP6_SOURCE);
	put(writer, BPF_MISC | BPF_TAX, 0);
	put_net(writer, BPF_W, IP6_PORTS);
	put(writer, BPF_ALU | BPF_ADD | BPF_X, 0);
	put_alu(writer, BPF_MUL, GOLDEN_RATIO);
	put_alu(writer, BPF_RSH, 16);
	put_alu(writer, BPF_MOD, workers);
	put(writer, BPF_RET | BPF_A, 0);
}

unsigned short steer_group(struct sock_filter code[static STEER_MAX], unsigned int workers)
{
	struct writer writer = {.code = code};

	/* The kernel shows such a program the payload. */
	put_stun(&writer, 0, workers);
	if (workers > 1)
		put_flow(&writer, workers);
	else
		put(&writer, BPF_RET | BPF_K, 0);
	return writer.len;
}

unsigned short steer_only_stun(struct sock_filter code[static STEER_MAX])
{
	struct writer writer = {.code = code};

	put_stun(&writer, UDP_HEADER, UINT32_MAX);
	put(&writer, BPF_RET | BPF_K, 0);
	return writer.len;
}
