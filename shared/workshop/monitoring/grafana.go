package monitoring

import "encoding/json"

// The size of a Grafana dashboard: 24 columns, three panels a row.
const (
	panelWidth    = 8
	panelHeight   = 7
	panelsPerRow  = 3
	headingHeight = 1
)

// grafanaUnits are Grafana's names of the units.
func grafanaUnits(u Unit) string {
	switch u {
	case PerSecond:
		return "ops"
	case Share:
		return "percentunit"
	case Seconds:
		return "s"
	case Bytes:
		return "bytes"
	case BytesPerSec:
		return "Bps"
	case Dollars:
		return "currencyUSD"
	case Count:
	}
	return "short"
}

type grafanaPanel struct {
	ID          int             `json:"id"`
	Type        string          `json:"type"`
	Title       string          `json:"title"`
	Description string          `json:"description,omitempty"`
	Place       grafanaPlace    `json:"gridPos"`
	Datasource  *grafanaSource  `json:"datasource,omitempty"`
	Fields      *grafanaFields  `json:"fieldConfig,omitempty"`
	Targets     []grafanaTarget `json:"targets,omitempty"`
}

type grafanaPlace struct {
	Height int `json:"h"`
	Width  int `json:"w"`
	X      int `json:"x"`
	Y      int `json:"y"`
}

type grafanaSource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type grafanaFields struct {
	Defaults struct {
		Unit string `json:"unit"`
		Min  int    `json:"min"`
	} `json:"defaults"`
	Overrides []struct{} `json:"overrides"`
}

type grafanaTarget struct {
	Name   string `json:"refId"`
	Query  string `json:"expr"`
	Legend string `json:"legendFormat"`
}

// DatasourceUID names Prometheus in the dashboard. shared/deploy/grafana provisions it.
const DatasourceUID = "bytebites-prometheus"

// Dashboard returns the Grafana dashboard as JSON.
func Dashboard() ([]byte, error) {
	var panels []grafanaPanel
	y := 0
	add := func(p grafanaPanel) {
		p.ID = len(panels) + 1
		panels = append(panels, p)
	}
	for _, s := range Sections() {
		add(grafanaPanel{Type: "row", Title: s.Title, Place: grafanaPlace{headingHeight, panelsPerRow * panelWidth, 0, y}})
		y += headingHeight
		for i, p := range s.Panels {
			fields := &grafanaFields{Overrides: []struct{}{}}
			fields.Defaults.Unit = grafanaUnits(p.Unit)
			add(grafanaPanel{
				Type: "timeseries", Title: p.Title, Description: p.Reading, Fields: fields,
				Place:      grafanaPlace{panelHeight, panelWidth, i % panelsPerRow * panelWidth, y + i/panelsPerRow*panelHeight},
				Datasource: &grafanaSource{"prometheus", DatasourceUID},
				Targets:    []grafanaTarget{{"A", p.Query, p.Legend}},
			})
		}
		y += (len(s.Panels) + panelsPerRow - 1) / panelsPerRow * panelHeight
	}
	text, err := json.MarshalIndent(map[string]any{
		"uid": "bytebites", "title": "ByteBites", "tags": []string{"bytebites"}, "timezone": "browser", "schemaVersion": 39,
		"refresh": "5s", "time": map[string]string{"from": "now-10m", "to": "now"}, "panels": panels,
	}, "", "  ")
	return append(text, '\n'), err
}
