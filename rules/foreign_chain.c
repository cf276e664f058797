/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>

#include "rules/foreign_eval.h"

/* The kernel's own limit (NFT_JUMP_STACK_SIZE). */
#define DEPTH_MAX 16

/* What may become of the packet, as a set. */
#define MAY_ACCEPT 1u
#define MAY_DROP   2u
#define MAY_CHANGE 4u
#define MAY_FALL   8u /* through to the end of the chain */
#define MAY_ANY	   (MAY_ACCEPT | MAY_DROP)

enum { AT_ACCEPT, AT_DROP, AT_CHANGE, AT_COUNT };

struct walk {
	const struct ruleset *ruleset;
	struct foreign_state *state;
	size_t *budget;
	struct foreign_place at[AT_COUNT];
	bool there[AT_COUNT];
	struct foreign_place doubted;
	char doubt[32];
};

static void place_note(struct walk *walk, int which, const struct foreign_place *place)
{
	if (!walk->there[which])
		walk->at[which] = *place;
	walk->there[which] = true;
}

static void doubt_note(struct walk *walk, const char *doubt, const struct foreign_place *place)
{
	if (*walk->doubt)
		return;
	snprintf(walk->doubt, sizeof(walk->doubt), "%s", doubt && *doubt ? doubt : "?");
	walk->doubted = *place;
}

static unsigned int chain_walk(struct walk *walk, const struct ruleset_chain *chain, int depth);

static unsigned int step_take(struct walk *walk, const struct foreign_match *match,
	const struct foreign_place *place, int depth)
{
	const struct ruleset_chain *target;

	switch (match->step) {
	case STEP_CONTINUE:
	case STEP_RETURN:
		return MAY_FALL;
	case STEP_ACCEPT:
		place_note(walk, AT_ACCEPT, place);
		return MAY_ACCEPT;
	case STEP_DROP:
		place_note(walk, AT_DROP, place);
		return MAY_DROP;
	case STEP_CHANGE:
		place_note(walk, AT_CHANGE, place);
		return MAY_CHANGE;
	case STEP_UNKNOWN:
		doubt_note(walk, match->doubt, place);
		return match->truth == MAYBE ? MAY_ANY | MAY_FALL : MAY_ANY;
	case STEP_JUMP:
	case STEP_GOTO:
		target = ruleset_chain(
			walk->ruleset, place->chain->family, place->chain->table, match->chain);
		if (target && depth < DEPTH_MAX)
			return chain_walk(walk, target, depth + 1);
		doubt_note(walk, "jump", place);
		return MAY_ANY;
	}
	return MAY_ANY;
}

/* One rule: what it may decide. The walk ends when it surely decides. */
static unsigned int rule_walk(
	struct walk *walk, const struct foreign_place *place, int depth, bool *end)
{
	const bool doubtful = walk->state->doubtful;
	struct foreign_match match;
	unsigned int may;

	*end = false;
	foreign_rule_eval(walk->ruleset, place->chain, place->rule, walk->state, &match);
	if (match.truth == NO || match.step == STEP_CONTINUE)
		return 0;
	if (match.truth == MAYBE)
		walk->state->doubtful = true;
	may = step_take(walk, &match, place, depth);
	walk->state->doubtful = doubtful;
	*end = match.truth == YES &&
	       (!(may & MAY_FALL) || match.step == STEP_GOTO || match.step == STEP_RETURN);
	if (match.truth == MAYBE && ((may & ~MAY_FALL) || match.step == STEP_RETURN))
		doubt_note(walk, match.doubt, place);
	/* Whether we come to the next rule is not sure any more. */
	if (!*end && (may & MAY_ACCEPT))
		walk->state->doubtful = true;
	if (*end)
		return may;
	/* A RETURN or a goto that may have been taken falls through, as the end of the chain does.
	 */
	return match.step == STEP_RETURN || match.step == STEP_GOTO ? may : may & ~MAY_FALL;
}

static unsigned int chain_walk(struct walk *walk, const struct ruleset_chain *chain, int depth)
{
	unsigned int may = 0;

	for (size_t i = 0; i < chain->count; i++) {
		const struct foreign_place place = {
			chain, &walk->ruleset->rules[chain->first + i], i + 1};
		bool end;

		if (!*walk->budget) {
			doubt_note(walk, "too many rules", &place);
			return may | MAY_ANY;
		}
		--*walk->budget;
		may |= rule_walk(walk, &place, depth, &end);
		if (end)
			return may;
	}
	return may | MAY_FALL;
}

static unsigned int policy_apply(struct walk *walk, const struct ruleset_chain *chain)
{
	const struct foreign_place place = {chain, NULL, 0};

	place_note(walk, chain->policy == NF_DROP ? AT_DROP : AT_ACCEPT, &place);
	return chain->policy == NF_DROP ? MAY_DROP : MAY_ACCEPT;
}

void foreign_chain_eval(const struct ruleset *ruleset, const struct ruleset_chain *chain,
	struct foreign_state *state, size_t *budget, struct foreign_result *out)
{
	const bool doubtful = state->doubtful;
	struct walk walk = {.ruleset = ruleset, .state = state, .budget = budget};
	unsigned int may = chain_walk(&walk, chain, 0);

	if (may & MAY_FALL)
		may = (may & ~MAY_FALL) | policy_apply(&walk, chain);
	state->doubtful = doubtful;
	*out = (struct foreign_result){.verdict = FOREIGN_UNKNOWN};
	if (may == MAY_ACCEPT && walk.there[AT_ACCEPT]) {
		out->verdict = FOREIGN_PASSES;
		out->at = walk.at[AT_ACCEPT];
	} else if (may == MAY_DROP) {
		out->verdict = FOREIGN_DROPS;
		out->at = walk.at[AT_DROP];
	} else if (may == MAY_CHANGE) {
		out->verdict = FOREIGN_CHANGES;
		out->at = walk.at[AT_CHANGE];
		out->translated = true;
	} else {
		out->at = walk.doubted;
		memcpy(out->doubt, walk.doubt, sizeof(out->doubt));
	}
}
