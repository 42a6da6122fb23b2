/* A sound card in ALSA's user space: what a driver and its hardware do is done by the test, through a shared file.
 *
 * The test advances the clock, says whether the card is plugged in or asleep, records and listens. */

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>

/* Samples, whole frames of any card. */
#define RING 1048320

/* Its offsets are in card.rs. */
struct card {
	/* Odd while it is plugged in. */
	_Atomic uint32_t plugs;
	_Atomic uint32_t asleep;
	/* Frames that its clock has counted, and that it was given to play. */
	_Atomic uint64_t clock;
	_Atomic uint64_t given;
	/* Attempts to open a recording. */
	_Atomic uint32_t tries;
	uint32_t rate;
	uint32_t channels;
	int16_t recorded[RING];
	int16_t played[RING];
};

struct stream {
	snd_pcm_ioplug_t io;
	struct card *card;
	uint32_t plugs;
	uint64_t started;
	uint64_t base;
	snd_pcm_sframes_t at;
	int runs;
	/* Locked for as long as the stream is open, whatever becomes of the daemon. */
	int fd;
};

static int gone(struct stream *s)
{
	return s->card->plugs != s->plugs;
}

static int on_start(snd_pcm_ioplug_t *io)
{
	struct stream *s = io->private_data;

	if (gone(s))
		return -ENODEV;
	s->started = s->card->clock;
	s->runs = 1;
	return 0;
}

static int on_stop(snd_pcm_ioplug_t *io)
{
	struct stream *s = io->private_data;

	s->runs = 0;
	return 0;
}

static snd_pcm_sframes_t on_pointer(snd_pcm_ioplug_t *io)
{
	struct stream *s = io->private_data;
	int64_t at = (int64_t)(s->card->clock - s->started);
	int64_t used = (int64_t)io->appl_ptr;

	if (gone(s)) {
		snd_pcm_ioplug_set_state(io, SND_PCM_STATE_DISCONNECTED);
		return s->at;
	}
	if (s->card->asleep) {
		snd_pcm_ioplug_set_state(io, SND_PCM_STATE_SUSPENDED);
		return s->at;
	}
	if (!s->runs)
		return s->at;
	if (io->stream == SND_PCM_STREAM_CAPTURE ? at - used > (int64_t)io->buffer_size : at > used)
		return -EPIPE;
	return s->at = at;
}

static int on_prepare(snd_pcm_ioplug_t *io)
{
	struct stream *s = io->private_data;

	if (gone(s))
		return -ENODEV;
	s->at = 0;
	s->runs = 0;
	s->base = s->card->given;
	return 0;
}

/* Goes on where it was. The library does not look at what this returns. */
static int on_resume(snd_pcm_ioplug_t *io)
{
	struct stream *s = io->private_data;

	if (s->card->asleep)
		return -EAGAIN;
	s->started = s->card->clock - (uint64_t)s->at;
	return snd_pcm_ioplug_set_state(io, SND_PCM_STATE_RUNNING);
}

static snd_pcm_sframes_t on_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
				     snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	struct stream *s = io->private_data;
	int capture = io->stream == SND_PCM_STREAM_CAPTURE;
	uint64_t from = (capture ? s->started : s->base) + io->appl_ptr;
	int16_t *ring = capture ? s->card->recorded : s->card->played;

	for (snd_pcm_uframes_t n = 0; n < size; n++) {
		for (unsigned channel = 0; channel < io->channels; channel++) {
			const snd_pcm_channel_area_t *area = &areas[channel];
			int16_t *sample = (int16_t *)((char *)area->addr +
						      (area->first + area->step * (offset + n)) / 8);
			int16_t *slot = &ring[((from + n) * io->channels + channel) % RING];
			if (capture)
				*sample = *slot;
			else
				*slot = *sample;
		}
	}
	if (!capture)
		s->card->given = from + size;
	return (snd_pcm_sframes_t)size;
}

static int on_close(snd_pcm_ioplug_t *io)
{
	struct stream *s = io->private_data;

	munmap(s->card, sizeof *s->card);
	close(s->fd);
	free(s);
	return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
	.start = on_start,
	.stop = on_stop,
	.pointer = on_pointer,
	.prepare = on_prepare,
	.resume = on_resume,
	.transfer = on_transfer,
	.close = on_close,
};

static int limits(snd_pcm_ioplug_t *io, const struct card *card)
{
	static const unsigned access[] = { SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED };
	static const unsigned format[] = { SND_PCM_FORMAT_S16_LE };
	unsigned frame = 2 * card->channels;
	unsigned turn = card->rate / 100 * frame;
	int err = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);

	if (err >= 0)
		err = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, format);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS, card->channels, card->channels);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE, card->rate, card->rate);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, turn / 2, turn * 2);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_BUFFER_BYTES, turn * 4, turn * 40);
	return err;
}

SND_PCM_PLUGIN_DEFINE_FUNC(dragoman_card)
{
	snd_config_t *node;
	const char *file;
	struct stream *s;
	int err;

	(void)root;
	if (snd_config_search(conf, "file", &node) < 0 || snd_config_get_string(node, &file) < 0)
		return -EINVAL;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->fd = open(file, O_RDWR | O_CLOEXEC);
	s->card = mmap(NULL, sizeof *s->card, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (s->card == MAP_FAILED || flock(s->fd, LOCK_SH | LOCK_NB) < 0) {
		err = -errno;
		goto close;
	}
	if (stream == SND_PCM_STREAM_CAPTURE)
		s->card->tries++;
	s->plugs = s->card->plugs;
	s->io.version = SND_PCM_IOPLUG_VERSION;
	s->io.name = "a card of the tests";
	s->io.flags = SND_PCM_IOPLUG_FLAG_BOUNDARY_WA;
	s->io.callback = &callbacks;
	s->io.private_data = s;
	s->io.poll_fd = -1;
	err = s->plugs % 2 ? snd_pcm_ioplug_create(&s->io, name, stream, mode) : -ENODEV;
	if (err < 0)
		goto unmap;
	err = limits(&s->io, s->card);
	if (err < 0) {
		snd_pcm_ioplug_delete(&s->io);
		return err;
	}
	*pcmp = s->io.pcm;
	return 0;
unmap:
	munmap(s->card, sizeof *s->card);
close:
	close(s->fd);
	free(s);
	return err;
}

SND_PCM_PLUGIN_SYMBOL(dragoman_card);
