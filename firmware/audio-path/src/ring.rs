use ringbuf::traits::{Consumer as _, Observer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// The writing end of a single-producer, single-consumer ring.
pub struct Producer<T>(HeapProd<T>);

/// The reading end of a single-producer, single-consumer ring.
pub struct Consumer<T>(HeapCons<T>);

/// A ring of `capacity` items, as its two ends.
///
/// # Panics
/// Where `capacity` is 0.
pub fn ring<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let (producer, consumer) = HeapRb::new(capacity).split();
    (Producer(producer), Consumer(consumer))
}

/// As [`ring`], with `filler` written through all of it once, so that no first item meets a page fault.
///
/// # Panics
/// Where `capacity` is 0.
pub fn prefaulted_ring<T: Clone>(capacity: usize, filler: &T) -> (Producer<T>, Consumer<T>) {
    let (mut producer, mut consumer) = ring(capacity);
    while producer.push(filler.clone()).is_ok() {}
    consumer.0.clear();
    (producer, consumer)
}

impl<T> Producer<T> {
    /// Appends `item`; a full ring gives it back.
    ///
    /// # Errors
    /// The item, where the ring is full.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        self.0.try_push(item)
    }

    /// How many more items fit now.
    pub fn vacant(&self) -> usize {
        self.0.vacant_len()
    }
}

impl<T> Consumer<T> {
    /// Takes the oldest item.
    pub fn pop(&mut self) -> Option<T> {
        self.0.try_pop()
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.0.occupied_len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
