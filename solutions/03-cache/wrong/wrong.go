// Package wrong is wrong answers to lab 03, and right ones that differ from the solution. Each wrong
// answer is the cache that many would write, simple, with one mistake in it. Which check must
// reject which answer is in the solution's test.
package wrong

import (
	"bytebites.example/workshop/shared/bytebites/service"
	"bytebites.example/workshop/solutions/03-cache/wrong/flaw0"
	"bytebites.example/workshop/solutions/03-cache/wrong/flaw2"
	"bytebites.example/workshop/solutions/03-cache/wrong/flaw3"
	"bytebites.example/workshop/solutions/03-cache/wrong/flaw4"
	"bytebites.example/workshop/solutions/03-cache/wrong/flaw5"
	"bytebites.example/workshop/solutions/03-cache/wrong/flaw6"
)

// The names of the variants.
const (
	Absent          = "absent-for-an-hour"
	AbsentNoUnit    = "absent-without-unit"
	CachesErrors    = "caches-errors"
	CarriesRequest  = "load-carries-request"
	CreateNeeds     = "sign-in-needs-redis"
	DayLong         = "kept-for-a-day"
	DeleteFirst     = "signed-out-in-redis-first"
	DeleteNeeds     = "sign-out-needs-redis"
	EachSearch      = "keeps-searches"
	EndlessLoad     = "endless-load"
	ErrorSignsOut   = "error-signs-out"
	ExpiredCounts   = "expired-counts"
	FirstIDLoads    = "first-id-names-load"
	EndsNameLoad    = "ends-name-load"
	FirstOnesLoad   = "first-ones-load"
	ForgetsFirst    = "forgets-first"
	ForgetsLeaving  = "forgets-for-who-stays"
	GivesUpRedis    = "gives-redis-up"
	IgnoresCase     = "ignores-case"
	KeepsPages      = "keeps-pages"
	KeepsPrices     = "keeps-highest-prices"
	LoadsUnknown    = "loads-unknown"
	NeedsRedis      = "needs-redis"
	NeverExpires    = "never-expires"
	NeverForgets    = "never-forgets"
	NewNameWaits    = "new-name-waits"
	NoLimitInKey    = "popular-of-any-length"
	ShortIsNone     = "short-list-is-none"
	NoSingleFlight  = "no-single-flight"
	NoVersion       = "no-version"
	OneFlight       = "one-flight-a-kind"
	PageEachLoads   = "each-page-loads"
	PageNoCursor    = "page-without-cursor"
	PageNoDiet      = "page-without-diet"
	PageUnquoted    = "page-unquoted"
	PingsAtStart    = "pings-at-start"
	PopularHour     = "popular-for-an-hour"
	PutsNothing     = "puts-nothing"
	Impatient       = "five-milliseconds"
	LeavesLater     = "waits-after-leaving"
	RateNeeds       = "rating-needs-redis"
	RatingStays     = "rating-stays"
	OnlyOnSuccess   = "only-on-success"
	RedisFirst      = "redis-first"
	SecondsLong     = "kept-for-seconds"
	SessionForLife  = "session-for-its-life"
	ShortHash       = "short-session-key"
	SignedOutStays  = "signed-out-stays"
	SessionHour     = "session-for-an-hour"
	TrustsTTL       = "trusts-ttl"
	OutOnSuccess    = "sign-out-on-success"
	WritesMeal      = "writes-meal"
	SkipsErrors     = "skips-errors"
	StaysSignedIn   = "sign-out-error-lost"
	TriesAgain      = "tries-again"
	OnePlace        = "one-place"
	HastyCrowd      = "hasty-crowd"
	BypassUncounted = "bypass-uncounted"
	AbsentIsHit     = "absent-is-hit"
	BrokenIsHit     = "broken-is-hit"
	TrustsEntries   = "trusts-entries"
	WaitsForRedis   = "waits-for-redis"
	WriteAround     = "write-around"
	WriteBack       = "write-back"
	PatientSecond   = "a-second-for-redis"
	AwayEachLoads   = "each-loads-without-redis"
	LeaverForgets   = "leaver-ends-the-sharing"
	LeaverNone      = "leaver-is-told-none"
	EachOnError     = "each-tries-after-error"
	IDByID          = "one-query-an-id"
	GapsUnkept      = "list-with-a-gap-unkept"
	UnquotedNames   = "joined-ids-name-load"
	PageHalfQuoted  = "page-half-quoted"
	HidesErrors     = "error-without-its-cause"
	SignInHides     = "sign-in-error-without-cause"
	NewTextWaits    = "new-description-waits"
	ForgetsLater    = "forgets-in-background"
	OutLater        = "signs-out-in-background"
	KeepsLater      = "keeps-session-in-background"
	JoinedKeys      = "joined-keys-name-load"
	OutlivesSession = "entry-outlives-session"
	PageMealsLoad   = "meals-of-pages-load"
)

// The names of the flaws: the solution's core with the starter's code of one step.
const (
	FlawWaiting  = "flaw-waiting"
	FlawEntries  = "flaw-entries"
	FlawLoads    = "flaw-loads"
	FlawPages    = "flaw-pages"
	FlawSessions = "flaw-sessions"
)

// CoreOnly is the solution's core with the starter's deep dives. It is right.
const CoreOnly = "cache-without-deep-dives"

// flaws returns, by name, the caches of the generated packages.
func flaws() map[string]func(service.Resources) (service.Cache, error) {
	return map[string]func(service.Resources) (service.Cache, error){
		CoreOnly:     func(r service.Resources) (service.Cache, error) { return flaw0.Open(r) },
		FlawWaiting:  func(r service.Resources) (service.Cache, error) { return flaw2.Open(r) },
		FlawEntries:  func(r service.Resources) (service.Cache, error) { return flaw3.Open(r) },
		FlawLoads:    func(r service.Resources) (service.Cache, error) { return flaw4.Open(r) },
		FlawPages:    func(r service.Resources) (service.Cache, error) { return flaw5.Open(r) },
		FlawSessions: func(r service.Resources) (service.Cache, error) { return flaw6.Open(r) },
	}
}

// mistakes are what may be wrong with a simple cache.
type mistakes struct {
	neverForgets   bool // nothing is deleted when it changes
	forgetsFirst   bool // it is deleted before the change is committed
	forgetsLeaving bool // the deletion ends with the request of who made the change
	keepsPages     bool // a meal is deleted, the pages that it is on are not
	newNameWaits   bool // the pages are deleted when the price changes, and else not
	onlyOnSuccess  bool // an error of the store deletes nothing
	ratingStays    bool // new stars delete nothing
	eachSearch     bool // searches are kept for their time, whatever changes
	keepsPrices    bool // so are pages with a highest price

	putsNothing  bool // what is loaded is not put into Redis
	cachesErrors bool // an error is taken for 'there is none', and kept
	skipsErrors  bool // meals that cannot be loaded are left out
	loadsUnknown bool // that there is none is not kept
	absentLong   bool // and here for an hour
	absentNoUnit bool // and here for nanoseconds

	neverExpires   bool // no time to live
	dayLong        bool // a time to live of a day
	secondsLong    bool // a time to live of some seconds
	popularHour    bool // popular meals are kept for as long as meals
	sessionForLife bool // sessions are kept until they expire

	noSingleFlight bool // who misses, loads
	leavesLater    bool // a caller that has left waits for the load all the same
	pageEachLoads  bool // so it is with pages
	firstOnesLoad  bool // the load that all wait for ends with the first one's request
	carriesRequest bool // the load has the values of the first one's request
	endlessLoad    bool // the load has no time limit
	oneFlight      bool // all loads of a kind are one
	endsNameLoad   bool // so are loads of equally many meals with the same first and last one
	firstIDLoads   bool // loads of several meals that begin with the same one are one

	ignoresCase     bool // M001 and m001 have one key
	shortIsNone     bool // a list of popular meals that is shorter than its limit counts as none
	noLimitInKey    bool // the list of popular meals is kept as it was asked for first
	pageNoCursor    bool // all pages of a list have one key
	pageNoDiet      bool // pages for all diets have one key
	pageUnquoted    bool // the parts of a page's key run into one another
	shortHash       bool // a session's key has the first bytes of its hash
	noVersion       bool // the names of keys have no version
	bypassUncounted bool // a Redis that does not answer is not counted
	absentIsHit     bool // an absence is counted as a hit
	brokenIsHit     bool // an entry that cannot be read is counted as a hit

	trustsEntries bool // an entry that cannot be read is an error

	needsRedis    bool // an error of Redis is an error of the page
	waitsForRedis bool // the client's defaults
	impatient     bool // a call to Redis may take five milliseconds
	onePlace      bool // all callers share one connection
	hastyCrowd    bool // a caller waits for a connection as long as for an answer
	triesAgain    bool // the client's default number of tries
	pingsAtStart  bool // without Redis the service does not start
	givesUpRedis  bool // without Redis at the start it is never asked again
	rateNeeds     bool // an error of Redis is an error of a rating

	writeBack      bool // a session is written to Redis, and a second later to the database
	writeAround    bool // a session is written to the database only
	redisFirst     bool // a session is written to Redis before the database
	createNeeds    bool // an error of Redis is an error of a sign-in
	errorSignsOut  bool // a session that cannot be loaded does not exist
	expiredCounts  bool // a session lives as long as its entry
	signedOutStays bool // a sign-out deletes the session in the database alone
	sessionHour    bool // a session is kept for an hour
	trustsTTL      bool // a session lives as long as Redis says
	outOnSuccess   bool // a sign-out that the database may not have made deletes nothing
	writesMeal     bool // a change puts the meal into Redis
	deleteFirst    bool // a sign-out deletes the copy before the session
	deleteNeeds    bool // a sign-out ends when Redis does not answer
	staysSignedIn  bool // an error of a sign-out is not told

	patientSecond  bool // a call to Redis may take a second
	awayEachLoads  bool // without an answer of Redis each caller loads
	leaverForgets  bool // a caller that leaves ends the sharing of the load
	leaverNone     bool // a caller that leaves is told that there is none
	eachOnError    bool // a caller whose shared load failed loads for itself
	idByID         bool // each meal of a list is loaded by a query of its own
	gapsUnkept     bool // a list of which a meal does not exist is not kept
	unquotedNames  bool // the ids of a list run into one another in the name of a load
	pageHalfQuoted bool // the cuisine in a page's key is quoted, the rest is not
	hidesErrors    bool // the error of a load is told by its text only
	signInHides    bool // so is the error of a sign-in
	newTextWaits   bool // a change of the description deletes nothing
	forgetsLater   bool // the deletion runs beside the answer
	outLater       bool // the deletion of a session's entry runs beside the answer
	keepsLater     bool // a new session is written to Redis beside the answer

	joinedKeys      bool // the keys of a list run into one another in the name of a load
	outlivesSession bool // a session is kept for ten minutes, however short it is
	pageMealsLoad   bool // a page keeps its ids, and its meals are read past the cache
}

// Variants returns, by name, what each answer changes in a service, be it wrong or right.
func Variants() map[string]func(*service.Composition) {
	variants := make(map[string]func(*service.Composition))
	for name, wrong := range map[string]mistakes{
		Absent:          {absentLong: true},
		AbsentNoUnit:    {absentNoUnit: true},
		CachesErrors:    {cachesErrors: true},
		CarriesRequest:  {carriesRequest: true},
		CreateNeeds:     {createNeeds: true},
		DayLong:         {dayLong: true},
		DeleteFirst:     {deleteFirst: true},
		DeleteNeeds:     {deleteNeeds: true},
		EachSearch:      {eachSearch: true},
		EndlessLoad:     {endlessLoad: true},
		ErrorSignsOut:   {errorSignsOut: true},
		ExpiredCounts:   {expiredCounts: true},
		FirstIDLoads:    {firstIDLoads: true},
		EndsNameLoad:    {endsNameLoad: true},
		FirstOnesLoad:   {firstOnesLoad: true},
		ForgetsFirst:    {forgetsFirst: true},
		ForgetsLeaving:  {forgetsLeaving: true},
		GivesUpRedis:    {givesUpRedis: true},
		IgnoresCase:     {ignoresCase: true},
		KeepsPages:      {keepsPages: true},
		KeepsPrices:     {keepsPrices: true},
		LoadsUnknown:    {loadsUnknown: true},
		NeedsRedis:      {needsRedis: true},
		NeverExpires:    {neverExpires: true},
		NeverForgets:    {neverForgets: true},
		NewNameWaits:    {newNameWaits: true},
		NoLimitInKey:    {noLimitInKey: true},
		ShortIsNone:     {shortIsNone: true},
		NoSingleFlight:  {noSingleFlight: true},
		NoVersion:       {noVersion: true},
		OneFlight:       {oneFlight: true},
		PageEachLoads:   {pageEachLoads: true},
		PageNoCursor:    {pageNoCursor: true},
		PageNoDiet:      {pageNoDiet: true},
		PageUnquoted:    {pageUnquoted: true},
		PingsAtStart:    {pingsAtStart: true},
		PopularHour:     {popularHour: true},
		PutsNothing:     {putsNothing: true},
		Impatient:       {impatient: true},
		LeavesLater:     {leavesLater: true},
		RateNeeds:       {rateNeeds: true},
		RatingStays:     {ratingStays: true},
		OnlyOnSuccess:   {onlyOnSuccess: true},
		RedisFirst:      {redisFirst: true},
		SecondsLong:     {secondsLong: true},
		SessionForLife:  {sessionForLife: true},
		ShortHash:       {shortHash: true},
		SignedOutStays:  {signedOutStays: true},
		SessionHour:     {sessionHour: true},
		TrustsTTL:       {trustsTTL: true},
		OutOnSuccess:    {outOnSuccess: true},
		WritesMeal:      {writesMeal: true},
		SkipsErrors:     {skipsErrors: true},
		StaysSignedIn:   {staysSignedIn: true},
		TriesAgain:      {triesAgain: true},
		OnePlace:        {onePlace: true},
		HastyCrowd:      {hastyCrowd: true},
		BypassUncounted: {bypassUncounted: true},
		AbsentIsHit:     {absentIsHit: true},
		BrokenIsHit:     {brokenIsHit: true},
		TrustsEntries:   {trustsEntries: true},
		WaitsForRedis:   {waitsForRedis: true},
		WriteAround:     {writeAround: true},
		WriteBack:       {writeBack: true},
		PatientSecond:   {patientSecond: true},
		AwayEachLoads:   {awayEachLoads: true},
		LeaverForgets:   {leaverForgets: true},
		LeaverNone:      {leaverNone: true},
		EachOnError:     {eachOnError: true},
		IDByID:          {idByID: true},
		GapsUnkept:      {gapsUnkept: true},
		UnquotedNames:   {unquotedNames: true},
		PageHalfQuoted:  {pageHalfQuoted: true},
		HidesErrors:     {hidesErrors: true},
		SignInHides:     {signInHides: true},
		NewTextWaits:    {newTextWaits: true},
		ForgetsLater:    {forgetsLater: true},
		OutLater:        {outLater: true},
		KeepsLater:      {keepsLater: true},
		JoinedKeys:      {joinedKeys: true},
		OutlivesSession: {outlivesSession: true},
		PageMealsLoad:   {pageMealsLoad: true},
	} {
		variants[name] = applied(wrong, differences{})
	}
	for name, other := range rightVariants() {
		variants[name] = applied(mistakes{}, other)
	}
	for name, open := range flaws() {
		variants[name] = func(c *service.Composition) { c.Cache = open }
	}
	return variants
}

func applied(wrong mistakes, other differences) func(*service.Composition) {
	return func(c *service.Composition) {
		c.Cache = func(r service.Resources) (service.Cache, error) { return open(r, wrong, other) }
	}
}
