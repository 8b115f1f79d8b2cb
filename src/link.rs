//! Signed links in messages: made by the runner, answered by the gateway. A link names a message by its key and nothing of the customer.
