package chromium

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"time"
)

// Page is a tab with a profile of its own: nothing cached, no cookies.
type Page struct {
	browser *Browser
	session string
	profile string
	frame   string // the ID of the main frame

	// The browser's lock is held for what follows.
	requests []*Request
	byID     map[string]*Request
	active   time.Time // when something came, or was asked for, for the last time
	loads    int       // how often the page was loaded
	loader   string    // of the document
	status   int       // of the page itself
	problems []string
	warnings []string
	user     *Credentials
	logins   int
}

// Credentials are a user's name and password.
type Credentials struct{ Name, Password string }

// Request is one that the page made, or a worker of it.
type Request struct {
	Method, URL string
	// Begun is when the browser said that it asks.
	Begun time.Time
	// Status is the answer's code, 0 without an answer.
	Status int
	// MediaType is the answer's, as the browser understood it.
	MediaType string
	// Error is why there is no answer, or no whole one, in the browser's words.
	Error string

	loader string // of the document that it belongs to; a worker has none
}

// Open opens an empty page.
func (b *Browser) Open() (*Page, error) {
	var context struct{ BrowserContextID string }
	if err := b.call("", "Target.createBrowserContext", nil, &context); err != nil {
		return nil, err
	}
	return b.open(context.BrowserContextID)
}

// Beside opens another tab of the same window, which hides this one.
func (p *Page) Beside() (*Page, error) { return p.browser.open(p.profile) }

// Show brings the tab to the front.
func (p *Page) Show() error { return p.call("Page.bringToFront", nil, nil) }

// Offline takes the page's network away, or gives it back.
func (p *Page) Offline(is bool) error {
	return p.call("Network.emulateNetworkConditions", object{"offline": is, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}, nil)
}

// Downloads has files saved into a directory, without asking.
func (p *Page) Downloads(dir string) error {
	return p.browser.call("", "Browser.setDownloadBehavior", object{"behavior": "allow", "browserContextId": p.profile, "downloadPath": dir}, nil)
}

// Calm gives the page a person who prefers that little moves.
func (p *Page) Calm() error {
	return p.call("Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-reduced-motion", "value": "reduce"}}}, nil)
}

// open opens an empty page of a profile.
func (b *Browser) open(profile string) (*Page, error) {
	var target struct{ TargetID string }
	var attached struct{ SessionID string }
	if err := b.call("", "Target.createTarget", object{"url": "about:blank", "browserContextId": profile}, &target); err != nil {
		return nil, err
	}
	if err := b.call("", "Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &attached); err != nil {
		return nil, err
	}
	p := &Page{browser: b, session: attached.SessionID, profile: profile, frame: target.TargetID, byID: map[string]*Request{}, active: time.Now()}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, c := range append(observe(p.session), command{p.session, "Page.enable", nil}) {
		if err := b.call(c.session, c.method, c.params, nil); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// observe is what makes a session tell what happens in it. A worker waits until it is told to begin.
func observe(session string) []command {
	return []command{
		{session, "Network.enable", nil},
		{session, "Runtime.enable", nil},
		{session, "Log.enable", nil},
		{session, "Target.setAutoAttach", object{"autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true}},
	}
}

// Close closes the page and forgets its profile.
func (p *Page) Close() error { return p.call("Page.close", nil, nil) }

func (p *Page) call(method string, params, result any) error {
	return p.browser.call(p.session, method, params, result)
}

// LogIn gives the browser what a person types when it asks for a name and a password. nil cancels.
func (p *Page) LogIn(as *Credentials) error {
	p.browser.mu.Lock()
	p.user = as
	p.browser.mu.Unlock()
	return p.call("Fetch.enable", object{"handleAuthRequests": true}, nil)
}

// TrustAll takes every certificate.
func (p *Page) TrustAll() error {
	return p.call("Security.setIgnoreCertificateErrors", object{"ignore": true}, nil)
}

// Go opens a URL and waits until it is loaded.
func (p *Page) Go(url string) error {
	var result struct{ ErrorText string }
	return p.load("opening "+url, func() error {
		if err := p.call("Page.navigate", object{"url": url}, &result); err != nil || result.ErrorText == "" {
			return err
		}
		return errors.New(result.ErrorText)
	})
}

// Reload loads the page again, as its button does.
func (p *Page) Reload() error {
	return p.load("reloading", func() error { return p.call("Page.reload", nil, nil) })
}

// load waits until what begin does has loaded the page.
func (p *Page) load(what string, begin func() error) error {
	before := p.locked(func() int { return p.loads })
	if err := begin(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return p.until(what, func() (bool, error) { return p.locked(func() int { return p.loads }) > before, nil })
}

// until looks until done says so.
func (p *Page) until(what string, done func() (bool, error)) error {
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		ok, err := done()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", what, err)
		case ok:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%s: not within %v; problems: %q; the page says: %.2000s", what, limit, p.Problems(), p.Text())
		}
	}
}

// locked reads a field.
func (p *Page) locked(read func() int) int {
	p.browser.mu.Lock()
	defer p.browser.mu.Unlock()
	if p.browser.end != nil {
		return 1 << 30 // every wait ends, and the next command tells why
	}
	return read()
}

// Await waits until a JavaScript expression is true.
func (p *Page) Await(expression string) error {
	return p.until("waiting for "+expression, func() (bool, error) {
		var value bool
		// An error may be that of a page that is being left.
		err := p.Value("Boolean("+expression+")", &value)
		return err == nil && value, p.gone()
	})
}

// AwaitText waits until the page shows a text.
func (p *Page) AwaitText(text string) error {
	quoted, err := json.Marshal(text)
	if err != nil {
		return err
	}
	return p.Await("document.body.innerText.includes(" + string(quoted) + ")")
}

// restTime is how long nothing is asked for and nothing comes on a page that has everything.
const restTime = 500 * time.Millisecond

// Settle waits until the page has everything that it asks for. Content that a script has left unread is not waited for.
func (p *Page) Settle() error {
	return p.until("waiting for the last request", func() (bool, error) {
		p.browser.mu.Lock()
		defer p.browser.mu.Unlock()
		open := slices.ContainsFunc(p.requests, func(r *Request) bool { return r.isOpen(p.loader) })
		return !open && time.Since(p.active) > restTime, p.browser.end
	})
}

// gone says why the browser has ended.
func (p *Page) gone() error {
	p.browser.mu.Lock()
	defer p.browser.mu.Unlock()
	return p.browser.end
}

// Value puts the value of a JavaScript expression, or of the promise that it is, into result.
func (p *Page) Value(expression string, result any) error {
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *exception
	}
	err := p.call("Runtime.evaluate", object{"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &answer)
	if err != nil {
		return err
	}
	if answer.ExceptionDetails != nil {
		return fmt.Errorf("%s: %s", expression, answer.ExceptionDetails)
	}
	if result == nil || answer.Result.Value == nil {
		return nil
	}
	return json.Unmarshal(answer.Result.Value, result)
}

// Click clicks on the first element that a CSS selector finds.
func (p *Page) Click(selector string) error {
	quoted, err := json.Marshal(selector)
	if err != nil {
		return err
	}
	return p.Value("document.querySelector("+string(quoted)+").click()", nil)
}

// Text is what the page shows.
func (p *Page) Text() string {
	var text string
	if err := p.Value("document.body ? document.body.innerText : ''", &text); err != nil {
		return err.Error()
	}
	return text
}

// Colours is how many colours the visible part of the page is drawn in.
func (p *Page) Colours() (int, error) {
	shot, err := p.Picture()
	if err != nil {
		return 0, err
	}
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return 0, err
	}
	seen := map[color.Color]bool{}
	for area, y := picture.Bounds(), picture.Bounds().Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			seen[picture.At(x, y)] = true
		}
	}
	return len(seen), nil
}

// Status is the code of the answer that the page itself is.
func (p *Page) Status() int { return p.locked(func() int { return p.status }) }

// LogIns is how often the browser has asked for a name and a password.
func (p *Page) LogIns() int { return p.locked(func() int { return p.logins }) }

// Problems are the errors that the page's console shows, and what it and its workers threw.
func (p *Page) Problems() []string {
	p.browser.mu.Lock()
	defer p.browser.mu.Unlock()
	return slices.Clone(p.problems)
}

// Warnings are those that the page's scripts have written to the console.
func (p *Page) Warnings() []string {
	p.browser.mu.Lock()
	defer p.browser.mu.Unlock()
	return slices.Clone(p.warnings)
}

// Requests are those that have begun, in their order; a redirect is one of its own.
func (p *Page) Requests() []Request { return p.RequestsFrom(0) }

// RequestsFrom are those of Requests without the first n.
func (p *Page) RequestsFrom(n int) []Request {
	p.browser.mu.Lock()
	defer p.browser.mu.Unlock()
	var list []Request
	for _, r := range p.requests[min(n, len(p.requests)):] {
		list = append(list, *r)
	}
	return list
}

// response is Network.Response.
type response struct {
	Status   int
	MimeType string
}

// exception is Runtime.ExceptionDetails.
type exception struct {
	Text      string
	URL       string
	Exception struct{ Description string }
}

func (e *exception) String() string {
	return strings.TrimSpace(e.Text + " " + e.Exception.Description + " " + e.URL)
}

// event is the parameters of all events that a page takes note of.
type event struct {
	SessionID        string // Target.attachedToTarget
	RequestID        string
	LoaderID         string
	FrameID          string
	Type             string // of a request, or of a message on the console
	Request          struct{ Method, URL string }
	RedirectResponse *response
	Response         response
	ErrorText        string
	ExceptionDetails exception
	Args             []struct {
		Value       any
		Description string
	}
	Entry struct{ Level, Text, URL string }
}

// note takes note of an event, under the browser's lock, and returns what is to be done about it.
func (p *Page) note(session, method string, params json.RawMessage) ([]command, error) {
	e := event{}
	switch method {
	case "Target.attachedToTarget", "Page.loadEventFired", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded",
		"Network.requestWillBeSent", "Network.responseReceived", "Network.dataReceived", "Network.loadingFinished", "Network.loadingFailed":
		if method != "Page.loadEventFired" {
			if err := json.Unmarshal(params, &e); err != nil {
				return nil, fmt.Errorf("%s: %w", method, err)
			}
		}
	case "Fetch.requestPaused", "Fetch.authRequired":
		// Here request and response have other forms.
		var paused struct{ RequestID string }
		if err := json.Unmarshal(params, &paused); err != nil {
			return nil, fmt.Errorf("%s: %w", method, err)
		}
		if method == "Fetch.requestPaused" {
			return []command{{session, "Fetch.continueRequest", object{"requestId": paused.RequestID}}}, nil
		}
		p.logins++
		typed := object{"response": "CancelAuth"}
		if p.user != nil {
			typed = object{"response": "ProvideCredentials", "username": p.user.Name, "password": p.user.Password}
		}
		return []command{{session, "Fetch.continueWithAuth", object{"requestId": paused.RequestID, "authChallengeResponse": typed}}}, nil
	}
	switch method {
	case "Target.attachedToTarget":
		p.browser.pages[e.SessionID] = p
		return append(observe(e.SessionID), command{e.SessionID, "Runtime.runIfWaitingForDebugger", nil}), nil
	case "Page.loadEventFired":
		p.loads++
	case "Runtime.exceptionThrown":
		p.problems = append(p.problems, e.ExceptionDetails.String())
	case "Runtime.consoleAPICalled":
		if e.Type != "error" && e.Type != "assert" && e.Type != "warning" {
			break
		}
		words := []string{"console." + e.Type + ":"}
		for _, a := range e.Args {
			if a.Value != nil {
				a.Description = fmt.Sprint(a.Value)
			}
			words = append(words, a.Description)
		}
		if e.Type == "warning" {
			p.warnings = append(p.warnings, strings.Join(words[1:], " "))
			break
		}
		p.problems = append(p.problems, strings.Join(words, " "))
	case "Log.entryAdded":
		if e.Entry.Level == "error" {
			p.problems = append(p.problems, strings.TrimSpace(e.Entry.Text+" "+e.Entry.URL))
		}
	default:
		p.noteRequest(method, &e)
	}
	return nil, nil
}

// noteRequest takes note of what has become of a request.
func (p *Page) noteRequest(method string, e *event) {
	r := p.byID[e.RequestID]
	switch method {
	case "Network.requestWillBeSent":
		if !strings.HasPrefix(e.Request.URL, "http") {
			return // data: and blob: are no requests
		}
		if r != nil && e.RedirectResponse != nil {
			r.answered(e.RedirectResponse)
		}
		r = &Request{Method: e.Request.Method, URL: e.Request.URL, Begun: time.Now(), loader: e.LoaderID}
		p.byID[e.RequestID] = r
		p.requests = append(p.requests, r)
	case "Network.responseReceived":
		if e.FrameID == p.frame && e.RequestID == e.LoaderID {
			p.status, p.loader = e.Response.Status, e.LoaderID
		}
		if r != nil {
			r.answered(&e.Response)
		}
	case "Network.loadingFailed":
		if r != nil {
			r.Error = e.ErrorText
		}
	case "Network.dataReceived", "Network.loadingFinished":
	default:
		return
	}
	p.active = time.Now()
}

// isOpen says whether an answer may still come. Of those of a document that was left, there is often no end to be seen.
func (r *Request) isOpen(loader string) bool {
	return r.Status == 0 && r.Error == "" && (r.loader == loader || r.loader == "")
}

func (r *Request) answered(with *response) { r.Status, r.MediaType = with.Status, with.MimeType }

// Screen gives the page a screen of so many pixels, and a person who prefers dark colours or light ones.
func (p *Page) Screen(width, height int, dark bool) error {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	if err := p.call("Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": scheme}}}, nil); err != nil {
		return err
	}
	return p.call("Emulation.setDeviceMetricsOverride", object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
}

// Picture is the visible part of the page as PNG.
func (p *Page) Picture() ([]byte, error) {
	var shot struct{ Data []byte }
	err := p.call("Page.captureScreenshot", nil, &shot)
	return shot.Data, err
}

// Press presses a key that writes nothing, such as ArrowDown, and lets it go.
func (p *Page) Press(key string) error {
	codes := map[string]int{"Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40}
	down := object{"type": "rawKeyDown", "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
	if key == "Enter" {
		down["type"], down["text"] = "keyDown", "\r"
	}
	if err := p.call("Input.dispatchKeyEvent", down, nil); err != nil {
		return err
	}
	return p.call("Input.dispatchKeyEvent", object{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}, nil)
}

// Type types a text, character by character.
func (p *Page) Type(text string) error {
	for _, c := range text {
		if err := p.call("Input.dispatchKeyEvent", object{"type": "keyDown", "key": string(c), "text": string(c)}, nil); err != nil {
			return err
		}
		if err := p.call("Input.dispatchKeyEvent", object{"type": "keyUp", "key": string(c)}, nil); err != nil {
			return err
		}
	}
	return nil
}
