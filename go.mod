module github.com/previewd/previewd

go 1.26
