//! How clients hear of a change.
