package fingerprint

import (
	"encoding/base32"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestFingerprinted: what bundlers write is a hash, and a date, a version or a word never is one.
func TestFingerprinted(t *testing.T) {
	for _, name := range strings.Fields(`
		app.3f9a1c2b.js assets/app.3f9a1c2b.js app-3f9a1c2b.css app_3F9A1C2B.css a.3f9a1c2b.chunk.js
		a.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.woff2
		assets/index-DtPYlI17.js index-DtPYlI17.js.map index-DtPYlI17.js.br assets/index-BfXA3kmb.css vendor-CZZyCf7p.js
		index-CkQbDzYw.js logo-Cr4Qs1wX.svg index-B-3x_k9Z.js index-D_x4-Ab7.js inter-latin-Dx4kXJAl.woff2 index.es-B7SbRpYL.js
		main-5QW3ER7T.js chunk-2D3KQ7WZ.js polyfills-B6TNHZQ6.js chunk-JKH7T5PB.js.map
		chunk.4f2a.js main.1b3c5d.css vendors.c0ffee1.js 1.4f2a.js
		main.8f4c2d1e9b3a7f60.js 117-3f9a1c2b4d5e6f70.js runtime~main.3f9a1c2b.js 935f2afb.1c2b3f9a.js vendors~app.3f9a1c2b.chunk.js
		main.3f9a1c2b4d5e6f708192.js main.3f9a1c2b.min.css style.min.9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.css
		_next/static/chunks/main-3f9a1c2b4d5e6f70.js _next/static/media/e4af272ccee01ff0-s.p.woff2 _next/static/chunks/0f2b1c3d4e5f6a7b.js
		_next/static/css/3f9a1c2b4d5e6f70.css
		_astro/index.DtPYlI17.js _astro/hoisted.3f9a1c2b.js _astro/houston.CZZyCf7p_ZuJaE.webp _astro/index.Bq7Rk2Lm.css
		_app/immutable/chunks/DtPYlI17.js _app/immutable/entry/start.BfXA3kmb.js _app/immutable/nodes/0.CZZyCf7p.js _app/immutable/assets/0.DtPYlI17.css
		_nuxt/DtPYlI17.js _nuxt/entry.DtPYlI17.css _nuxt/index.B3x4kQ9Z.js
		q-DtPYlI17.js root-DtPYlI17.js index-kw2q9a7d.js app-27e20196a850.css app-3f9a1c2b4d5e6f70_bg.wasm entry-9f86d081884c7d659a2feaa0c55ad015.js
		9f86d081884c7d659a2feaa0c55ad015.png`) {
		if !IsIn(name) {
			t.Errorf("%s: no fingerprint", name)
		}
	}
	for _, name := range append(strings.Fields(`
		app.js app.3f9a1c2b 3f9a1c2b.js .3f9a1c2b 3f9a1c2b/app.js DtPYlI17.js app.3f9a1c2g.js
		a.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0.js
		report-20261129.js report-20240101.pdf photo-12345678.png photo-20261129a.jpg log-20261129T120000.json backup.20261129.js a-2026-11-29.js
		report-2026b.js tzdata.2024a.js tzdata-2024a.js clip-20261129123456.mp4 IMG-20261129-WA0001.jpg IMG_20261129_120000.jpg
		jquery-3.7.1.min.js jquery-3.7.1.js bootstrap-5.3.2.min.css vue-3.4.21.esm-browser.prod.js three-r152.js lib-v1.2.3.js lib-1.0.0-beta2.js
		lib-1.0.0-rc.1.js mathjax-2.7.9.js font-awesome-6.5.1.css d3.v7.js main-es2017.js polyfills-es2015.js es2015.js chart.js.4.4.js
		app-settings.js app-Settings.js AppSettings.js my.deadbeef.txt my.deadbeef.js user-profile.js app-dashboard.js app.bundle.js app.min.js
		app-AppStore.png badge-GitHub24.svg logo-MacBook2.png a-iPhone15.png a-OpenAI24.svg a-FooBarV2.js a-JSONView.js a-LinkedIn.svg a-McDonald.js
		Inter-SemiBold.woff2 Roboto-BoldItalic.ttf OpenSans-Regular.woff2 Lato-Hairline.ttf NotoSans-DemiBold.woff
		LICENSE-APACHE.txt logo-ORIGINAL.png flag-PORTUGAL.svg poster-WINTER25.png book-CHAPTER3.js poster-2SUMMER5.pdf
		sprite-16x32x48.png icon-192x192.png photo-1920x1080.jpg image.2x.png shader.d3d11.js app.e2e.js icon.ff00.js emoji-1f600.svg
		report-123e4567-e89b-12d3-a456-426614174000.json 123e4567-e89b-12d3-a456-426614174000.js _nuxt/builds/latest.json _nuxt/builds/meta/123e4567-e89b-12d3-a456-426614174000.json
		doc-RFC9110.html invoice-INV20261.pdf scan-00012345.png index.html sw.js service-worker.js manifest.webmanifest app.component.js
		my-element.js a-be-or-no-to.js go-to_IN_v2.js data_2026_q1.json report_final_v2.json camelCase-toDoItem.js utf8-base64.js`), "", "a", "/") {
		if IsIn(name) {
			t.Errorf("%s: a fingerprint", name)
		}
	}
}

// TestMostHashesAreSeen holds how many of the hashes of each bundler are told from words: the rest costs a 304.
func TestMostHashesAreSeen(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	for name, c := range map[string]struct {
		make func(b []byte) string
		want int // of 1000
	}{
		"Rollup":  {base64.RawURLEncoding.EncodeToString, 650},
		"esbuild": {func(b []byte) string { return base32.StdEncoding.EncodeToString(b)[:8] }, 600},
	} {
		seen := 0
		for range 1000 {
			b := make([]byte, 6)
			_, _ = random.Read(b)
			if IsIn("index-" + c.make(b)[:8] + ".js") {
				seen++
			}
		}
		t.Logf("%s: %d of 1000", name, seen)
		if seen < c.want {
			t.Errorf("%s: %d of 1000, want %d", name, seen, c.want)
		}
	}
}
