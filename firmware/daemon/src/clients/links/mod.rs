//! The box's own links, addresses and routes: that one comes or goes is known at once, and not when an engine is asked next.

mod picture;

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use rt_sys::LinkNews;
use tokio::time::{sleep, timeout};

use picture::Picture;

/// One cable makes many messages.
const GATHER: Duration = Duration::from_millis(200);
/// A contact that trembles is not followed faster: vendors count whoever looks at them.
const REST: Duration = Duration::from_millis(1_300);
/// The kernel makes none that is longer.
const MESSAGES_AT_MOST: usize = 32 << 10;

/// Tells, as long as the kernel does, that something `changed`.
pub(super) async fn watch(changed: impl Fn()) {
    let Err(error) = follow(changed).await;
    log::warn!(
        "the kernel does not tell of links that come and go ({error}); engines are looked at by the clock alone"
    );
}

async fn follow(changed: impl Fn()) -> io::Result<Infallible> {
    let news = LinkNews::listen()?;
    let (mut picture, mut buffer) = (Picture::default(), vec![0; MESSAGES_AT_MOST]);
    loop {
        while !learn(&news, &mut picture, &mut buffer).await? {}
        let more = async {
            loop {
                if let Err(error) = learn(&news, &mut picture, &mut buffer).await {
                    return error;
                }
            }
        };
        if let Ok(error) = timeout(GATHER, more).await {
            return Err(error);
        }
        log::debug!("links, addresses or routes of this machine changed");
        changed();
        sleep(REST).await;
    }
}

/// Whether what is told next is new.
async fn learn(news: &LinkNews, picture: &mut Picture, buffer: &mut [u8]) -> io::Result<bool> {
    Ok(match news.next(buffer).await? {
        Some(bytes) => picture.learn(&buffer[..bytes]),
        None => true,
    })
}
