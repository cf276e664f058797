/* SPDX-License-Identifier: GPL-2.0-or-later */
/* foreign_reg: the registers, and expressions that load, compute or compare. */
#include <arpa/inet.h>
#include <string.h>

#include <linux/netfilter.h>

#include "rules/foreign_eval.h"

int reg_offset(uint32_t reg, size_t len)
{
	size_t at;

	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		at = (reg - NFT_REG_1) * NFT_REG_SIZE;
	else if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		at = (reg - NFT_REG32_00) * NFT_REG32_SIZE;
	else
		return -1;
	return len <= REGS_SIZE - at ? (int)at : -1;
}

/* The kernel clears the rest of the last 32 bits. */
static size_t reg_round(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

void reg_set(struct foreign_rule *rule, uint32_t reg, const void *data, size_t len)
{
	const size_t room = reg_round(len);
	const int at = reg_offset(reg, room);

	if (at < 0)
		return;
	memset(rule->regs.value + at, 0, room);
	memcpy(rule->regs.value + at, data, len);
	memset(rule->regs.known + at, 0xff, room);
}

void reg_forget(struct foreign_rule *rule, uint32_t reg, size_t len)
{
	const size_t room = reg_round(len);
	const int at = reg_offset(reg, room);

	if (at < 0)
		return;
	memset(rule->regs.value + at, 0, room);
	memset(rule->regs.known + at, 0, room);
}

void reg_set_fact(struct foreign_rule *rule, uint32_t reg, struct fact fact)
{
	const int at = reg_offset(reg, sizeof(uint32_t));

	if (at < 0)
		return;
	fact.value &= fact.known;
	memcpy(rule->regs.value + at, &fact.value, sizeof(fact.value));
	memcpy(rule->regs.known + at, &fact.known, sizeof(fact.known));
}

struct fact reg_fact(const struct foreign_rule *rule, uint32_t reg)
{
	const int at = reg_offset(reg, sizeof(uint32_t));
	struct fact fact = {0};

	if (at >= 0) {
		memcpy(&fact.value, rule->regs.value + at, sizeof(fact.value));
		memcpy(&fact.known, rule->regs.known + at, sizeof(fact.known));
	}
	return fact;
}

/* A register's bytes that an expression wants; NULL: there are none. */
const uint8_t *reg_read(
	const struct foreign_rule *rule, uint32_t reg, size_t len, const uint8_t **known)
{
	const int at = reg_offset(reg, len);

	*known = at < 0 ? NULL : rule->regs.known + at;
	return at < 0 ? NULL : rule->regs.value + at;
}

bool reg_known(const uint8_t *known, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (known[i] != 0xff)
			return false;
	return true;
}

static enum truth equal(const uint8_t *value, const uint8_t *known, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((value[i] ^ data[i]) & known[i])
			return NO;
	return reg_known(known, len) ? YES : MAYBE;
}

/* -1, 0, 1 like memcmp; false when the known bytes do not decide. */
static bool order(
	const uint8_t *value, const uint8_t *known, const uint8_t *data, size_t len, int *out)
{
	for (size_t i = 0; i < len; i++) {
		if (known[i] != 0xff)
			return false;
		if (value[i] != data[i]) {
			*out = value[i] < data[i] ? -1 : 1;
			return true;
		}
	}
	*out = 0;
	return true;
}

const uint8_t *data_value(const struct nlattr *nest, size_t *len)
{
	const struct nlattr *attr = attr_in(nest, NFTA_DATA_VALUE);

	*len = attr ? mnl_attr_get_payload_len(attr) : 0;
	return attr ? mnl_attr_get_payload(attr) : NULL;
}

enum truth foreign_cmp(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t op = attr_in_u32(expr, NFTA_CMP_OP, UINT32_MAX);
	const uint8_t *data, *value, *known;
	size_t len;
	int sign;

	data = data_value(attr_in(expr, NFTA_CMP_DATA), &len);
	value = reg_read(rule, attr_in_u32(expr, NFTA_CMP_SREG, 0), len, &known);
	if (!data || !value)
		return MAYBE;
	if (op == NFT_CMP_EQ || op == NFT_CMP_NEQ) {
		enum truth same = equal(value, known, data, len);

		return op == NFT_CMP_EQ ? same : truth_not(same);
	}
	if (!order(value, known, data, len, &sign))
		return MAYBE;
	switch (op) {
	case NFT_CMP_LT:
		return sign < 0 ? YES : NO;
	case NFT_CMP_LTE:
		return sign <= 0 ? YES : NO;
	case NFT_CMP_GT:
		return sign > 0 ? YES : NO;
	case NFT_CMP_GTE:
		return sign >= 0 ? YES : NO;
	}
	return MAYBE;
}

enum truth foreign_range(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint8_t *from, *to, *value, *known;
	size_t len, to_len;
	int low, high;
	enum truth inside;

	from = data_value(attr_in(expr, NFTA_RANGE_FROM_DATA), &len);
	to = data_value(attr_in(expr, NFTA_RANGE_TO_DATA), &to_len);
	value = reg_read(rule, attr_in_u32(expr, NFTA_RANGE_SREG, 0), len, &known);
	if (!from || !to || len != to_len || !value)
		return MAYBE;
	if (!order(value, known, from, len, &low) || !order(value, known, to, len, &high))
		return MAYBE;
	inside = low >= 0 && high <= 0 ? YES : NO;
	return attr_in_u32(expr, NFTA_RANGE_OP, NFT_RANGE_EQ) == NFT_RANGE_EQ ? inside
									      : truth_not(inside);
}

static void bitwise_shift(struct foreign_rule *rule, const struct nlattr *expr, size_t len,
	uint32_t op, const struct regs *from)
{
	const uint32_t dreg = attr_in_u32(expr, NFTA_BITWISE_DREG, 0);
	size_t data_len;
	const uint8_t *data = data_value(attr_in(expr, NFTA_BITWISE_DATA), &data_len);
	struct fact fact;
	uint32_t shift;

	memcpy(&fact.value, from->value, sizeof(fact.value));
	memcpy(&fact.known, from->known, sizeof(fact.known));
	reg_forget(rule, dreg, len);
	if (len != sizeof(uint32_t) || !data || data_len < sizeof(shift))
		return;
	memcpy(&shift, data, sizeof(shift));
	if (shift > 31)
		return;
	if (op == NFT_BITWISE_LSHIFT)
		fact = (struct fact){fact.value << shift, ~(~fact.known << shift)};
	else
		fact = (struct fact){fact.value >> shift, ~(~fact.known >> shift)};
	reg_set_fact(rule, dreg, fact);
}

enum truth foreign_bitwise(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t len = attr_in_u32(expr, NFTA_BITWISE_LEN, 0);
	const uint32_t dreg = attr_in_u32(expr, NFTA_BITWISE_DREG, 0);
	const uint32_t op = attr_in_u32(expr, NFTA_BITWISE_OP, NFT_BITWISE_BOOL);
	const uint8_t *mask, *xor, *value, *known;
	size_t mask_len, xor_len;
	struct regs copy = {0};
	int at;

	value = reg_read(rule, attr_in_u32(expr, NFTA_BITWISE_SREG, 0), len, &known);
	at = reg_offset(dreg, len);
	if (!value || at < 0)
		return MAYBE;
	memcpy(copy.value, value, len);
	memcpy(copy.known, known, len);
	if (op == NFT_BITWISE_LSHIFT || op == NFT_BITWISE_RSHIFT) {
		bitwise_shift(rule, expr, len, op, &copy);
		return YES;
	}
	mask = data_value(attr_in(expr, NFTA_BITWISE_MASK), &mask_len);
	xor = data_value(attr_in(expr, NFTA_BITWISE_XOR), &xor_len);
	reg_forget(rule, dreg, len);
	if (op != NFT_BITWISE_BOOL || !mask || !xor || mask_len < len || xor_len < len)
		return YES;
	for (uint32_t i = 0; i < len; i++) {
		rule->regs.value[at + (int)i] = (copy.value[i] & mask[i]) ^ xor[i];
		rule->regs.known[at + (int)i] = copy.known[i] | (uint8_t)~mask[i];
	}
	return YES;
}

enum truth foreign_byteorder(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t len = attr_in_u32(expr, NFTA_BYTEORDER_LEN, 0);
	const uint32_t size = attr_in_u32(expr, NFTA_BYTEORDER_SIZE, 0);
	const uint8_t *value, *known;
	struct regs copy = {0};
	int at = reg_offset(attr_in_u32(expr, NFTA_BYTEORDER_DREG, 0), len);

	value = reg_read(rule, attr_in_u32(expr, NFTA_BYTEORDER_SREG, 0), len, &known);
	if (!value || at < 0 || (size != 2 && size != 4 && size != 8) || len % size)
		return MAYBE;
	memcpy(copy.value, value, len);
	memcpy(copy.known, known, len);
	for (uint32_t i = 0; i < len; i++) {
		const uint32_t from = i / size * size + size - 1 - i % size;

		rule->regs.value[at + (int)i] = copy.value[htons(1) == 1 ? i : from];
		rule->regs.known[at + (int)i] = copy.known[htons(1) == 1 ? i : from];
	}
	return YES;
}

/* Loads; behind what we know of the packet everything is possible. */
static void payload_load(struct foreign_rule *rule, size_t from, uint32_t dreg, size_t len)
{
	const struct foreign_bytes *bytes = &rule->state->bytes;
	const int at = reg_offset(dreg, reg_round(len));

	reg_forget(rule, dreg, len);
	if (at < 0)
		return;
	for (size_t i = 0; i < len && from + i < bytes->len; i++) {
		rule->regs.value[at + (int)i] = bytes->value[from + i];
		rule->regs.known[at + (int)i] = bytes->known[from + i];
	}
	for (size_t i = len; i < reg_round(len); i++)
		rule->regs.known[at + (int)i] = 0xff;
}

/* Somebody writes into the packet: only other addresses or ports lead it elsewhere. */
static bool payload_moves(
	const struct foreign_state *state, uint32_t base, uint32_t offset, uint32_t len)
{
	const uint32_t addresses = state->family == NFPROTO_IPV4 ? 12 : 8;

	if (base == NFT_PAYLOAD_NETWORK_HEADER)
		return offset + len > addresses;
	return base == NFT_PAYLOAD_TRANSPORT_HEADER && offset < 4;
}

enum truth foreign_payload(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t dreg = attr_in_u32(expr, NFTA_PAYLOAD_DREG, 0);
	const uint32_t base = attr_in_u32(expr, NFTA_PAYLOAD_BASE, UINT32_MAX);
	const uint32_t offset = attr_in_u32(expr, NFTA_PAYLOAD_OFFSET, 0);
	const uint32_t len = attr_in_u32(expr, NFTA_PAYLOAD_LEN, 0);
	const struct foreign_bytes *bytes = &rule->state->bytes;

	if (offset > 4096 || len > REGS_SIZE)
		return MAYBE;
	if (attr_in(expr, NFTA_PAYLOAD_SREG)) {
		if (payload_moves(rule->state, base, offset, len))
			rule->match->step = STEP_CHANGE;
		return YES;
	}
	if (base == NFT_PAYLOAD_NETWORK_HEADER)
		payload_load(rule, offset, dreg, len);
	else if (base == NFT_PAYLOAD_TRANSPORT_HEADER)
		payload_load(rule, bytes->network + offset, dreg, len);
	else if (base == NFT_PAYLOAD_INNER_HEADER)
		payload_load(rule, bytes->network + 8 + offset, dreg, len);
	else
		reg_forget(rule, dreg, len);
	return YES;
}
