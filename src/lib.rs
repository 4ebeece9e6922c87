//! wstap: a WebSocket-aware debugging proxy.
