// The API of a harbour: express, an event stream and socket.io. It says on which port it listens.
const express = require('express')
const http = require('http')
const { Server } = require('socket.io')

const app = express()
app.use(express.json({ limit: '8mb' }))
app.get('/api/berths', (request, answer) => {
	answer.cookie('berth', 'seven').cookie('tide', 'high')
	answer.json({ berths: 7, seen: request.get('x-forwarded-host'), by: request.get('x-forwarded-proto'), raw: request.url })
})
app.post('/api/arrivals', (request, answer) => answer.status(201).json({ ships: request.body.ships.length }))
app.delete('/api/arrivals/:ship', (request, answer) => answer.status(204).end())
app.get('/api/old', (request, answer) => answer.redirect(`http://${request.get('host')}/api/berths?moved`))
app.get('/api/storm', (request, answer) => answer.status(503).json({ error: 'harbour closed' }))
app.get('/api/tide', (request, answer) => {
	answer.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
	let level = 0
	const timer = setInterval(() => answer.write(`data: ${++level}\n\n`), 100)
	request.on('close', () => { clearInterval(timer); left++ })
})
let left = 0
app.get('/api/left', (request, answer) => answer.json(left))

const server = http.createServer(app)
const io = new Server(server)
io.on('connection', socket => {
	socket.on('hail', (ship, reply) => reply(`${ship}, come in by ${socket.conn.transport.name}`))
	socket.on('cargo', (cargo, reply) => reply(cargo.length))
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
