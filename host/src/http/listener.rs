//! Listening sockets: TCP addresses and Unix domain sockets.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixSocket, UnixStream};
use tokio_util::either::Either;

/// Permissions of a Unix domain socket: this user and its group may connect.
const SOCKET_MODE: u32 = 0o660;
/// Connections that wait to be accepted, as many as tokio lets wait on a TCP address.
const MAX_WAITING_CONNECTIONS: u32 = 1_024;
/// Free ports that are tried until one is free on both loopback addresses.
const MAX_PORT_ATTEMPTS: usize = 16;

/// An accepted connection.
pub(super) type Stream = Either<TcpStream, UnixStream>;
/// A connection that belongs to no runtime.
pub(super) type DetachedStream = Either<std::net::TcpStream, std::os::unix::net::UnixStream>;

/// A listening socket of the server. Dropping it removes the file of a Unix domain socket.
#[derive(Debug)]
pub struct Listener(Sockets);

#[derive(Debug)]
enum Sockets {
    /// One address, or the IPv4 address of `localhost` and, if this machine has one, the IPv6 address.
    Tcp(TcpListener, Option<TcpListener>),
    /// The file comes first, so that it is removed before the socket is closed.
    Unix {
        _file: SocketFile,
        listener: UnixListener,
    },
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(Sockets::Tcp(listener, None))
    }
}

impl Listener {
    /// Listens on an address.
    ///
    /// # Errors
    /// The address cannot be used.
    pub async fn tcp(address: SocketAddr) -> io::Result<Self> {
        Ok(TcpListener::bind(address).await?.into())
    }

    /// Listens on the loopback addresses of IPv4 and IPv6, because clients connect to either for `localhost`.
    ///
    /// # Errors
    /// The port is used on one of them.
    pub async fn localhost(port: u16) -> io::Result<Self> {
        let mut attempts = 1..MAX_PORT_ATTEMPTS;
        loop {
            let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let bound = first.local_addr()?.port();
            match TcpListener::bind((Ipv6Addr::LOCALHOST, bound)).await {
                Ok(second) => return Ok(Self(Sockets::Tcp(first, Some(second)))),
                Err(error) if is_address_missing(&error) => return Ok(first.into()),
                // The port that was free for IPv4 is used for IPv6.
                Err(_) if port == 0 && attempts.next().is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Listens on a Unix domain socket. Replaces the file of a socket on which nobody listens.
    ///
    /// # Errors
    /// The file cannot be created, somebody listens on it, or it is not a socket.
    pub async fn unix(path: &Path) -> io::Result<Self> {
        let socket = UnixSocket::new_stream()?;
        if let Err(error) = socket.bind(path) {
            if error.kind() != ErrorKind::AddrInUse {
                return Err(error);
            }
            if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
                let message = "the file exists and is not a socket";
                return Err(io::Error::new(ErrorKind::AlreadyExists, message));
            }
            match UnixStream::connect(path).await {
                Err(refused) if refused.kind() == ErrorKind::ConnectionRefused => {}
                _ => return Err(error),
            }
            std::fs::remove_file(path)?;
            socket.bind(path)?;
        }
        let file = SocketFile::new(path)?;
        // Before `listen`: nobody can connect while the permissions are those of the umask.
        std::fs::set_permissions(path, PermissionsExt::from_mode(SOCKET_MODE))?;
        let listener = socket.listen(MAX_WAITING_CONNECTIONS)?;
        Ok(Self(Sockets::Unix {
            _file: file,
            listener,
        }))
    }

    /// Returns the first address; `None` for a Unix domain socket.
    ///
    /// # Errors
    /// The system does not tell it.
    pub fn tcp_address(&self) -> io::Result<Option<SocketAddr>> {
        match &self.0 {
            Sockets::Tcp(listener, _) => listener.local_addr().map(Some),
            Sockets::Unix { .. } => Ok(None),
        }
    }

    /// Accepts a connection. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        let stream = match &self.0 {
            Sockets::Tcp(listener, None) => listener.accept().await?.0,
            Sockets::Tcp(first, Some(second)) => tokio::select! {
                accepted = first.accept() => accepted?.0,
                accepted = second.accept() => accepted?.0,
            },
            Sockets::Unix { listener, .. } => {
                return Ok(Either::Right(listener.accept().await?.0));
            }
        };
        // Nagle's algorithm would delay small streamed events by up to 40 ms.
        let _ = stream.set_nodelay(true);
        Ok(Either::Left(stream))
    }

    /// Stops listening and returns the connections that the system has accepted already. Closing the socket would reset
    /// them, and with them the requests that clients may have sent.
    pub(super) fn close(self) -> Vec<DetachedStream> {
        match self.0 {
            Sockets::Tcp(first, second) => {
                let mut waiting = Vec::new();
                for listener in [Some(first), second].into_iter().flatten() {
                    if let Ok(listener) = listener.into_std() {
                        let accept = || {
                            let (stream, _) = listener.accept()?;
                            stream.set_nonblocking(true)?;
                            let _ = stream.set_nodelay(true);
                            Ok(stream)
                        };
                        accept_waiting(accept, &mut waiting);
                    }
                }
                waiting.into_iter().map(Either::Left).collect()
            }
            Sockets::Unix {
                _file: file,
                listener,
            } => {
                drop(file);
                let mut waiting = Vec::new();
                if let Ok(listener) = listener.into_std() {
                    let accept = || {
                        let (stream, _) = listener.accept()?;
                        stream.set_nonblocking(true)?;
                        Ok(stream)
                    };
                    accept_waiting(accept, &mut waiting);
                }
                waiting.into_iter().map(Either::Right).collect()
            }
        }
    }
}

/// Adds the connections that wait to be accepted on a socket that does not block.
fn accept_waiting<S>(accept: impl Fn() -> io::Result<S>, waiting: &mut Vec<S>) {
    while waiting.len() < MAX_WAITING_CONNECTIONS as usize
        && let Ok(stream) = accept()
    {
        waiting.push(stream);
    }
}

/// Takes a connection from the runtime of this thread.
pub(super) fn detach(stream: Stream) -> io::Result<DetachedStream> {
    Ok(match stream {
        Either::Left(stream) => Either::Left(stream.into_std()?),
        Either::Right(stream) => Either::Right(stream.into_std()?),
    })
}

/// Gives a connection to the runtime of this thread.
pub(super) fn attach(stream: DetachedStream) -> io::Result<Stream> {
    Ok(match stream {
        Either::Left(stream) => Either::Left(TcpStream::from_std(stream)?),
        Either::Right(stream) => Either::Right(UnixStream::from_std(stream)?),
    })
}

/// Returns whether this machine has no IPv6, or no IPv6 address for loopback.
fn is_address_missing(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT)
    )
}

/// The file of a listening socket.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode, which are not reused while the socket is open.
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another server may have replaced the file.
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(socket.path = %self.path.display(), %error, "socket file not removed");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
