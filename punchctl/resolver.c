/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/resolver.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "punchctl/target.h"

/* Belongs to the loop and to the thread, and goes with the last of them. */
struct resolver {
	pthread_mutex_t lock;
	unsigned int users;
	bool closed; /* nobody waits for it any more */
	uv_async_t async;
	char *host;
	int error;
	struct addrinfo *found;
	void (*done)(void *arg, int error, const struct addrinfo *found);
	void *arg;
};

static void resolver_free(struct resolver *resolver)
{
	if (resolver->found)
		freeaddrinfo(resolver->found);
	pthread_mutex_destroy(&resolver->lock);
	free(resolver->host);
	free(resolver);
}

static void resolver_leave(struct resolver *resolver)
{
	bool last;

	pthread_mutex_lock(&resolver->lock);
	last = --resolver->users == 0;
	pthread_mutex_unlock(&resolver->lock);
	if (last)
		resolver_free(resolver);
}

static void *resolver_run(void *data)
{
	struct resolver *resolver = data;

	resolver->error = getaddrinfo(resolver->host, NULL, &target_hints, &resolver->found);
	if (resolver->error)
		resolver->found = NULL;
	pthread_mutex_lock(&resolver->lock);
	if (!resolver->closed)
		uv_async_send(&resolver->async);
	pthread_mutex_unlock(&resolver->lock);
	resolver_leave(resolver);
	return NULL;
}

static void on_async(uv_async_t *async)
{
	struct resolver *resolver = async->data;

	resolver->done(resolver->arg, resolver->error, resolver->found);
}

static void on_closed(uv_handle_t *handle)
{
	resolver_leave(handle->data);
}

static int thread_start(struct resolver *resolver)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	ret = pthread_attr_init(&attr);
	if (ret != 0)
		return -ret;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = pthread_create(&thread, &attr, resolver_run, resolver);
	pthread_attr_destroy(&attr);
	return -ret;
}

int resolver_open(uv_loop_t *loop, const char *host,
	void (*done)(void *arg, int error, const struct addrinfo *found), void *arg,
	struct resolver **out)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	int ret;

	if (!resolver)
		return -ENOMEM;
	pthread_mutex_init(&resolver->lock, NULL);
	resolver->users = 2;
	resolver->done = done;
	resolver->arg = arg;
	resolver->host = strdup(host);
	ret = resolver->host ? uv_async_init(loop, &resolver->async, on_async) : -ENOMEM;
	if (ret < 0) {
		resolver_free(resolver);
		return ret;
	}
	resolver->async.data = resolver;
	ret = thread_start(resolver);
	if (ret < 0) {
		resolver->users = 1;
		resolver_close(resolver);
		return ret;
	}
	*out = resolver;
	return 0;
}

void resolver_close(struct resolver *resolver)
{
	if (!resolver)
		return;
	pthread_mutex_lock(&resolver->lock);
	resolver->closed = true;
	pthread_mutex_unlock(&resolver->lock);
	uv_close((uv_handle_t *)&resolver->async, on_closed);
}
