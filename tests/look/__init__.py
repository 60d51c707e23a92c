"""What do people see of the dashboards, drawn with Grafana's own components on what the exporter exposed?"""
