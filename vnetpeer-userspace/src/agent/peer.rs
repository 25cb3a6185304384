//! Who is at the other end of the socket, as the kernel says. It is the user that opened the connection, and
//! cannot be made up.

use std::{io, os::fd::AsRawFd as _};

use tokio::net::UnixStream;

/// A unix user and all its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The effective user.
    pub uid: u32,
    /// The effective group, and the supplementary ones.
    pub gids: Vec<u32>,
}

impl Peer {
    /// What is taken for a peer that the kernel says nothing about: nobody has this number.
    pub const UNKNOWN: Self = Self { uid: u32::MAX, gids: Vec::new() };

    /// Who opened a connection.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let mut gids = groups(stream)?;
        if !gids.contains(&credentials.gid()) {
            gids.insert(0, credentials.gid());
        }
        Ok(Self { uid: credentials.uid(), gids })
    }
}

/// The supplementary groups, by `SO_PEERGROUPS`.
fn groups(stream: &UnixStream) -> io::Result<Vec<u32>> {
    const ENOUGH: usize = 64;
    let mut gids = vec![0_u32; ENOUGH];
    loop {
        let mut bytes = libc::socklen_t::try_from(size_of_val(&*gids)).map_err(io::Error::other)?;
        // SAFETY: the kernel writes at most `bytes` bytes, which `gids` has, and the number of bytes that
        // there are to `bytes`. Any bytes are valid numbers.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                gids.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let count = usize::try_from(bytes).map_err(io::Error::other)? / size_of::<u32>();
        if result == 0 {
            gids.truncate(count);
            return Ok(gids);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || count <= gids.len() {
            return Err(error);
        }
        gids.resize(count, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_tells_who_opened_a_connection() {
        let (one, _other) = UnixStream::pair().expect("a pair of sockets");
        let peer = Peer::of(&one).expect("credentials");
        assert_eq!(peer.uid, nix::unistd::geteuid().as_raw());
        assert!(peer.gids.contains(&nix::unistd::getegid().as_raw()));
        let groups = nix::unistd::getgroups().expect("groups");
        assert!(groups.iter().all(|it| peer.gids.contains(&it.as_raw())));
    }
}
