// Package previews shows many sites by one server, each with a host name of its own: the directories in a directory, or the
// tags of a repository.
//
// The life of a request is in previews.go, and in tag.go where each tag of a repository is a site in place of a directory.
// host.go decides by the host that was asked for: a preview, the overview, or nothing that is here. names.go knows which
// directory has which name, open.go the sites that are open, page.go and tagpage.go the overview, progress.go the page of a
// build that is being fetched, and refuse.go the pages that say why there is no preview. Package tags knows which build a tag
// is, registry asks for it, unpack makes files of it, and store has them.
//
// Nothing here is remembered that a request could be told wrongly:
//
//   - A directory whose name is the label is looked for by that name, each time. Another one has the name that the slug rule
//     makes of its own, for which all names have to be known: these are read again whenever the directory that they are in
//     has another status, or has had its own for so short a time that it need not show a change.
//   - A site is opened when it is asked for, from the open directory above it, confined by the kernel; so it is within that,
//     and its own files are confined to it. Each request looks first whether the path still leads to what is open. Where it
//     does not, the names are asked again, and there is another directory, or the page that says that it is gone.
//   - A site that is not in use is one that no request is in and no page listens to. It is closed after a while, or sooner
//     when there are many. So the directories that are open are bounded: by maxIdle, and beyond these by the connections.
//
// All sites have one cache and the same bounds, see site.Site.Sub. Whoever has most of the cache makes room.
package previews
