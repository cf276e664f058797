/* SPDX-License-Identifier: GPL-2.0-or-later */
/* foreign_words: what the words of a rule are made of. */
#ifndef RULES_FOREIGN_WORDS_H
#define RULES_FOREIGN_WORDS_H

#include "rules/foreign_eval.h"

enum form { FORM_HEX, FORM_NUMBER, FORM_ADDR, FORM_NAME, FORM_STATE, FORM_STATUS, FORM_TYPE };

/* What lies in four bytes of the registers. */
struct slot {
	char label[24];
	enum form form;
	uint32_t mask; /* 0: none was applied */
};

struct words {
	char *out;
	size_t size, len;
	const struct ruleset_chain *chain;
	struct slot slots[REGS_SIZE / 4];
	uint8_t proto; /* of a test that is not written yet */
};

/* Ends in dots what does not fit. */
__attribute__((format(printf, 2, 3))) void words_put(struct words *words, const char *format, ...);
void words_value(struct words *words, const struct slot *slot, const uint8_t *data, size_t len);
void words_state(struct words *words, uint32_t bits);

#endif
