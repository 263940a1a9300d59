//! A TCP proxy that can stop for a while, so that the network between two nodes is slow,
//! or away.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What it does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Pass,
    /// It reads nothing, in either direction.
    Hold,
    /// Connections are closed, and new ones too.
    Cut,
}

/// See the module. Ends when it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: String,
    does: Arc<watch::Sender<Does>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn to(target: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let does = Arc::new(watch::Sender::new(Does::Pass));
        let mut tasks = JoinSet::new();
        let (target, sender) = (target.to_owned(), does.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let does = sender.subscribe();
                if *does.borrow() == Does::Cut {
                    continue;
                }
                connections.spawn(pass(near, target.clone(), does));
            }
        });
        Proxy {
            address,
            does,
            _tasks: tasks,
        }
    }

    pub(crate) fn hold(&self) {
        self.does.send_replace(Does::Hold);
    }

    pub(crate) fn cut(&self) {
        self.does.send_replace(Does::Cut);
    }

    pub(crate) fn pass(&self) {
        self.does.send_replace(Does::Pass);
    }
}

async fn pass(near: TcpStream, target: String, does: watch::Receiver<Does>) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let (near_reads, near_writes) = near.into_split();
    let (far_reads, far_writes) = far.into_split();
    tokio::select! {
        () = copy(near_reads, far_writes, does.clone()) => {}
        () = copy(far_reads, near_writes, does.clone()) => {}
        () = until_cut(does) => {}
    }
}

async fn until_cut(mut does: watch::Receiver<Does>) {
    let _ = does.wait_for(|does| *does == Does::Cut).await;
}

async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut does: watch::Receiver<Does>,
) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = {
            if does.wait_for(|does| *does == Does::Pass).await.is_err() {
                return;
            }
            tokio::select! {
                read = from.read(&mut bytes) => read,
                _ = does.changed() => continue,
            }
        };
        let read = match read {
            Ok(read) if read > 0 => read,
            _ => return,
        };
        // What was read before it was held is passed on after.
        if does.wait_for(|does| *does == Does::Pass).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
