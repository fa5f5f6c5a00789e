const m=document.getElementById("main");new EventSource("api/v1/health/monitoring/stream").onmessage=(e)=>{m.textContent=JSON.stringify(JSON.parse(e.data).now)}
